"""What this machine's processor can compute."""

from __future__ import annotations

import platform
import sys
from functools import cache
from pathlib import Path
from typing import Literal


def name() -> str:
    """Return what the processor is called."""
    return _field("model name") or platform.processor() or platform.machine()


@cache
def features() -> frozenset[str]:
    """Return its instruction sets, as Linux names them; empty where that is not known."""
    return frozenset((_field("flags") or _field("Features")).split())


def has(precision: Literal["fp32", "bf16", "fp16", "int8"]) -> bool:
    """Say whether it multiplies matrices of this precision by itself, as far as that is known."""
    if precision in ("fp32", "int8"):
        return True
    if precision == "bf16":
        return bool(features() & {"avx512_bf16", "amx_bf16", "bf16"})
    return bool(features() & {"avx512_fp16", "amx_fp16", "asimdhp"}) or _is_apple()


def exact_int8_products() -> bool:
    """Say whether sums of 8-bit products do not overflow, as those of older x86 do."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    return arm or bool(features() & {"avx512_vnni", "avx_vnni", "amx_int8"})


def _is_apple() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


@cache
def _field(wanted: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == wanted:
            return value.strip()
    return ""
