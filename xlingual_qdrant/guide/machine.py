"""What figures depend on: the machine, its software, the date."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path

from xlingual_qdrant.documents import JsonValue


def machine(threads: int) -> dict[str, JsonValue]:
    """Return what belongs beside every figure. threads: what each embedder had."""
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
