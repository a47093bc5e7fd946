"""ONNX Runtime: the exported file as it is, or with the weights of its products in 8 bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from xlingual_adapters.embedders.sentence_transformers.runtimes import exporting, processor
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Run
from xlingual_adapters.embedders.sentence_transformers.runtimes.kept import Kept
from xlingual_qdrant.errors import MissingExtra, UsageError

_FEATURE = "backend 'onnx'"


def library() -> Any:
    """Return the package onnxruntime; raises MissingExtra."""
    try:
        import onnxruntime
    except ModuleNotFoundError as exc:
        raise MissingExtra(_FEATURE, exc.name or "onnxruntime", "xlingual-qdrant[onnx]") from exc
    exporting.require_onnx(_FEATURE, "onnx")
    return onnxruntime


def faults() -> tuple[type[Exception], ...]:
    """Return what it raises for a model that it cannot take; its errors share no root."""
    state: Any = library().capi.onnxruntime_pybind11_state
    names = ("Fail", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
    return (*exporting.FAULTS, *(getattr(state, name) for name in names))


def load(path: Path) -> Run:
    """Return the forward pass of an ONNX file, with as many threads as torch has."""
    onnxruntime = library()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; it warns of every node that it leaves as it is
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except faults() as exc:
        raise UsageError(
            f'ONNX Runtime cannot load {path} ({exporting.first_line(exc)}); use backend = "torch"'
        ) from exc
    names = [put.name for put in session.get_inputs()]

    def run(inputs: Mapping[str, Tensor], /) -> Tensor:
        feeds = {name: inputs[name].numpy() for name in names}
        return torch.from_numpy(session.run(None, feeds)[0])

    return run


def quantized(kept: Kept, exported: Path) -> Path:
    """Return the folder of the file with 8-bit weights, made if it is not there.

    Weights get a scale per column; what flows between layers is quantised as it comes. Only
    matrix products are: an 8-bit table of embeddings costs more than it saves. A processor
    whose 8-bit products would overflow gets weights of 7 bits.
    """
    reduce_range = not processor.exact_int8_products()
    name = f"int8-{7 if reduce_range else 8}bit-onnxruntime-{library().__version__}"
    return kept.made(name, lambda folder: _quantize(exported, folder, reduce_range))


def _quantize(exported: Path, folder: Path, reduce_range: bool) -> None:
    from onnxruntime import quantization

    large = sum(path.stat().st_size for path in exported.iterdir()) > 1 << 30
    with warnings.catch_warnings(), _quiet_root_logger():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"onnx\b.*")
        try:
            cast(Any, quantization).quantize_dynamic(
                exported / exporting.FILE,
                folder / exporting.FILE,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                reduce_range=reduce_range,
                weight_type=quantization.QuantType.QInt8,
                use_external_data_format=large,
            )
        except faults() as exc:
            raise UsageError(
                f"ONNX Runtime cannot quantise this model ({exporting.first_line(exc)});"
                ' use precision = "fp32"'
            ) from exc


@contextmanager
def _quiet_root_logger() -> Generator[None]:
    """Keep the quantiser's advice out of the root logger, to which it speaks directly."""
    root, silent = logging.getLogger(), logging.NullHandler()

    def is_other(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR or "onnxruntime" not in record.pathname

    # Without a handler its first word would configure logging for the whole process.
    root.addHandler(silent)
    root.addFilter(is_other)
    try:
        yield
    finally:
        root.removeFilter(is_other)
        root.removeHandler(silent)
