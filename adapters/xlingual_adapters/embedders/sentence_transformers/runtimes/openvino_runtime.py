"""OpenVINO: the exported file, computed at the precision that it is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from xlingual_adapters.embedders.sentence_transformers.runtimes import exporting
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Run
from xlingual_qdrant.errors import MissingExtra, UsageError

Hint: TypeAlias = Literal["f32", "bf16", "f16"]

_GROUP = 128
"""So many neighbouring numbers of a token share a scale, when products are in 8 bits."""
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


def load(path: Path, hint: Hint, *, quantised: bool = False) -> Run:
    """Return the forward pass of an ONNX file, with as many threads as torch has.

    Left alone OpenVINO takes bfloat16 where the processor has it, so the precision is
    always named. quantised: weights in 8 bits, and products where the processor has them.
    """
    options: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": hint,
    }
    try:
        core = library().Core()
        model = core.read_model(path)
        if quantised:
            _quantise(model)
            options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = _GROUP
        compiled = core.compile_model(model, "CPU", options)
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


def _quantise(model: Any) -> None:
    """Give the weights of matrix products 8 bits, and a scale for each output.

    It is written as OpenVINO reads compressed weights: the constant, converted, times its scale.
    """
    build: Any = library().opset13
    done = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        source = node.input_value(1).get_node()
        if source.get_type_name() != "Constant" or len(source.get_output_shape(0)) != 2:
            continue
        weights = np.asarray(source.get_data(), dtype=np.float32)
        if not node.get_attributes()["transpose_b"]:
            weights = weights.T
        scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True) / 127, 1e-12)
        eights = np.rint(weights / scales).astype(np.int8)
        restored = build.multiply(build.convert(build.constant(eights), "f32"), scales)
        flipped = node.get_attributes()["transpose_a"]
        product = build.matmul(node.input_value(0), restored, flipped, True)
        product.set_friendly_name(node.get_friendly_name())
        node.output(0).replace(product.output(0))
        done += 1
    if not done:
        raise ValueError("there are no matrices of weights to quantise")
    model.validate_nodes_and_infer_types()
