"""Which backends and precisions there are here, and how each is made ready."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import nn

from xlingual_adapters.embedders.sentence_transformers.runtimes import (
    exporting,
    onnx_runtime,
    openvino_runtime,
    processor,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import (
    Exchanged,
    Lowered,
    Place,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.kept import Kept
from xlingual_adapters.embedders.sentence_transformers.runtimes.measuring import Reached, Runtime
from xlingual_qdrant.errors import MissingExtra, UsageError

Backend: TypeAlias = Literal["auto", "torch", "onnx", "openvino"]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16", "int8"]

_OFFERED: dict[Runtime, tuple[Reached, ...]] = {
    "torch": ("fp32", "bf16", "fp16"),
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "fp16", "int8"),
}
_WHY_NOT: dict[tuple[str, str], str] = {
    ("torch", "int8"): "torch has no 8-bit products for the processor that it does not deprecate",
    ("onnx", "bf16"): "ONNX Runtime computes bf16 on no processor",
    ("onnx", "fp16"): "ONNX Runtime computes fp16 on no processor",
}
_HINTS: dict[Reached, openvino_runtime.Hint] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_TYPES: dict[Reached, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Candidate(NamedTuple):
    """A backend and a precision of it."""

    backend: Runtime
    precision: Reached

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


def candidates(
    backend: Backend, precision: Precision, device: str
) -> tuple[list[Candidate], dict[str, str]]:
    """Return what an order leaves to choose from, torch first, and what it leaves out and why.

    Raises MissingExtra or UsageError if that is nothing.
    """
    found: list[Candidate] = []
    absent: dict[str, str] = {}
    reasons: list[MissingExtra | UsageError] = []
    for runtime, offered in _OFFERED.items():
        if backend not in ("auto", runtime):
            continue
        for reached in offered if precision == "auto" else (precision,):
            candidate = Candidate(runtime, reached)
            try:
                _check(candidate, device, strict=precision != "auto")
            except (MissingExtra, UsageError) as exc:
                absent[str(candidate)] = str(exc)
                reasons.append(exc)
            else:
                found.append(candidate)
    if not found:
        raise next((e for e in reasons if isinstance(e, MissingExtra)), reasons[0])
    return found, absent


def _check(candidate: Candidate, device: str, *, strict: bool) -> None:
    """Raise MissingExtra or UsageError if a candidate cannot be had, or is not worth a try.

    strict: it was ordered; what torch computes slowly for want of instructions passes then.
    """
    runtime, reached = candidate
    if reached not in _OFFERED[runtime]:
        offers = ", ".join(_OFFERED[runtime])
        elsewhere = '; int8 is had with backend = "openvino"' if reached == "int8" else ""
        raise UsageError(
            f"backend '{runtime}' has no {reached}: {_WHY_NOT[runtime, reached]};"
            f" it offers {offers}{elsewhere}"
        )
    if device != "cpu" and runtime != "torch":
        raise UsageError(
            f"backend '{runtime}' computes on the processor, and this model is on {device};"
            ' use backend = "torch", or device = "cpu"'
        )
    if runtime == "onnx":
        onnx_runtime.library()
    elif runtime == "openvino":
        known = openvino_runtime.abilities()
        if reached in ("bf16", "fp16") and reached.upper() not in known:
            raise UsageError(f"this processor has no {reached} for OpenVINO; use fp32")
    elif device == "cpu" and not strict and not processor.has(reached):
        raise UsageError(f"this processor has no {reached}")


def ready(candidate: Candidate, place: Place, kept: Kept) -> nn.Module:
    """Return a module that computes as the candidate says; the original is left as it is."""
    match candidate:
        case ("torch", "fp32"):
            return place.original
        case ("torch", reached):
            return lowered(copy.deepcopy(place.original), reached)
        case ("openvino", "int8"):
            path = _exported(place, kept) / exporting.FILE
            rest = "bf16" if "BF16" in openvino_runtime.abilities() else "f32"
            return Exchanged(openvino_runtime.load(path, rest, quantised=True), place.config)
        case ("openvino", reached):
            path = _exported(place, kept) / exporting.FILE
            return Exchanged(openvino_runtime.load(path, _HINTS[reached]), place.config)
        case ("onnx", reached):
            folder = _exported(place, kept)
            if reached == "int8":
                folder = onnx_runtime.quantized(kept, folder)
            return Exchanged(onnx_runtime.load(folder / exporting.FILE), place.config)


def faults_of(candidate: Candidate) -> tuple[type[Exception], ...]:
    """Return what a candidate may raise for a model that it cannot compute."""
    match candidate.backend:
        case "onnx":
            return onnx_runtime.faults()
        case "openvino":
            return openvino_runtime.faults()
        case "torch":
            return exporting.FAULTS


def is_lowered(candidate: Candidate, place: Place) -> bool:
    """Say whether the model was loaded at the candidate's 16 bits already."""
    return candidate.backend == "torch" and place.dtype == _TYPES.get(candidate.precision)


def lowered(module: nn.Module, precision: Reached) -> Lowered:
    """Return a transformer converted to 16 bits, in place."""
    return Lowered(module, _TYPES[precision])


def _exported(place: Place, kept: Kept) -> Path:
    return kept.made("fp32", lambda folder: exporting.export(place, folder))
