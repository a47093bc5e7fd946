"""What tells one model from another, and one measuring from another, as file names."""

from __future__ import annotations

import json
from hashlib import blake2b, sha256
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch

from xlingual_adapters.embedders.sentence_transformers.runtimes import processor
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Place
from xlingual_adapters.embedders.sentence_transformers.runtimes.sample import SAMPLE

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_LAYOUT = 1
"""Raised when exported files or verdicts are made in another way."""
_EXPORTERS = ("torch", "transformers", "onnx", "onnxscript")
_COMPUTERS = ("onnxruntime", "openvino", "sentence-transformers")
_PASSING = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures")
"""What a configuration says of where it comes from, not of what is computed."""


def of_model(model: SentenceTransformer, place: Place) -> str:
    """Return a name for the model's weights and shape, and for what exports it."""
    digest = sha256()
    config: dict[str, Any] = place.config.to_dict()
    shape = {key: value for key, value in config.items() if key not in _PASSING}
    inputs = list(place.examples)
    versions = _versions(_EXPORTERS)
    digest.update(json.dumps([_LAYOUT, shape, inputs, versions], default=str).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(plain.view(torch.uint8).numpy().data)
    return f"{place.config.model_type}-{digest.hexdigest()[:24]}"


def of_measuring(model: SentenceTransformer, place: Place, *order: object) -> str:
    """Return a name for what a verdict depends on beside the weights: order, machine, texts."""
    facts = [
        _LAYOUT,
        order,
        processor.name(),
        sorted(processor.features()),
        torch.get_num_threads(),
        str(place.device),
        torch.cuda.get_device_name(place.device) if place.device.type == "cuda" else "",
        _versions((*_EXPORTERS, *_COMPUTERS)),
        str(model),
        SAMPLE,
    ]
    return blake2b(json.dumps(facts, default=str).encode(), digest_size=12).hexdigest()


def _versions(packages: tuple[str, ...]) -> list[str]:
    return [_version(package) for package in packages]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
