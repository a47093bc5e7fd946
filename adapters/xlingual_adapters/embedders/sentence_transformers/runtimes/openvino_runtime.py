"""OpenVINO: the exported file, computed at the precision that it is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from xlingual_adapters.embedders.sentence_transformers.runtimes import exporting
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Run
from xlingual_qdrant.errors import MissingExtra, UsageError

Hint: TypeAlias = Literal["f32", "bf16", "f16"]

_FEATURE = "backend 'openvino'"


def library() -> Any:
    """Return the package openvino; raises MissingExtra."""
    try:
        import openvino
    except ModuleNotFoundError as exc:
        raise MissingExtra(_FEATURE, exc.name or "openvino", "xlingual-qdrant[openvino]") from exc
    exporting.require_onnx(_FEATURE, "openvino")
    return openvino


def faults() -> tuple[type[Exception], ...]:
    """Return what it raises for a model that it cannot take; its errors share no root."""
    frontend: Any = library().frontend
    names = ("GeneralFailure", "NotImplementedFailure", "OpConversionFailure")
    return (
        *exporting.FAULTS,
        *(getattr(frontend, name) for name in (*names, "OpValidationFailure")),
    )


def abilities() -> frozenset[str]:
    """Return what it can compute on this processor, such as FP32 and BF16."""
    return frozenset(library().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def load(path: Path, hint: Hint) -> Run:
    """Return the forward pass of an ONNX file, with as many threads as torch has.

    Left alone OpenVINO takes bfloat16 where the processor has it, so the precision is
    always named.
    """
    try:
        core = library().Core()
        compiled = core.compile_model(
            core.read_model(path),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": hint,
            },
        )
        request = compiled.create_infer_request()
    except faults() as exc:
        raise UsageError(
            f'OpenVINO cannot load {path} ({exporting.first_line(exc)}); use backend = "torch"'
        ) from exc
    names: list[str] = [put.any_name for put in compiled.inputs]
    lock = Lock()  # a request has one set of buffers

    def run(inputs: Mapping[str, Tensor], /) -> Tensor:
        feeds = {name: inputs[name].numpy() for name in names}
        with lock:
            return torch.from_numpy(request.infer(feeds, share_inputs=True)[0].copy())

    return run
