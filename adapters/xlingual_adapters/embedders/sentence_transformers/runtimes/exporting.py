"""A transformer as an ONNX file, which ONNX Runtime and OpenVINO both read.

torch has two exporters. The older one traces, takes a tenth of the time and gave the same
numbers for every architecture that was tried; where it fails (a model above protobuf's 2 GB,
a torch that no longer has it) the newer one is asked.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Place
from xlingual_qdrant.errors import MissingExtra, UsageError

FILE = "model.onnx"
OUTPUT = "last_hidden_state"
_OPSET = 17
FAULTS: tuple[type[Exception], ...] = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
)
"""What the vendors raise for a model that they cannot take; they have no root of their own."""

_NOISE: tuple[tuple[type[Warning], str], ...] = (
    (cast(Any, torch.jit).TracerWarning, ""),
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    (UserWarning, "Exporting aten::index operator of advanced indexing"),
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),
    (FutureWarning, "`is_gradient_checkpointing` is deprecated"),
)
"""What the exporters say of themselves, and of constants in a trace: what is exported is compared
with the original before it is used."""


class _Positional(nn.Module):
    """The transformer with its inputs in order, because exporters trace positions."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> Tensor:
        given = dict(zip(self.names, inputs, strict=True))
        return self.model(**given, return_dict=True).last_hidden_state


def require_onnx(feature: str, extra: str) -> None:
    """Raise MissingExtra if the package `onnx` is missing, which torch needs to export."""
    try:
        import onnx  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ModuleNotFoundError as exc:
        raise MissingExtra(feature, exc.name or "onnx", f"xlingual-qdrant[{extra}]") from exc


def export(place: Place, folder: Path) -> None:
    """Write the transformer to `folder / FILE`; batch and sequence may have any length.

    Raises UsageError if neither exporter can take it.
    """
    names = tuple(place.examples)
    examples = tuple(tensor.cpu() for tensor in place.examples.values())
    model = _Positional(place.original, names).eval()
    said: list[str] = []
    with torch.no_grad(), _silence():
        for write in (_trace, _translate):
            try:
                write(model, examples, names, folder / FILE)
            except FAULTS as exc:
                said.append(first_line(exc))
                for part in folder.iterdir():
                    part.unlink()
            else:
                return
    raise UsageError(
        f"{type(place.original).__name__} cannot be exported to ONNX ({'; '.join(said)});"
        ' use backend = "torch"'
    )


def first_line(exc: Exception) -> str:
    """Return what an error of a vendor says, shortened to a line."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return f"{type(exc).__name__}: {(lines or ['no words'])[0][:160]}"


def _trace(
    model: nn.Module, examples: tuple[Tensor, ...], names: tuple[str, ...], path: Path
) -> None:
    axes = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        model,
        examples,
        str(path),
        input_names=list(names),
        output_names=[OUTPUT],
        dynamic_axes=dict.fromkeys((*names, OUTPUT), axes),
        opset_version=_OPSET,
        dynamo=False,
    )


def _translate(
    model: nn.Module, examples: tuple[Tensor, ...], names: tuple[str, ...], path: Path
) -> None:
    anything = cast(Any, torch.export.Dim).DYNAMIC
    shapes = {"inputs": tuple({0: anything, 1: anything} for _ in names)}
    torch.onnx.export(
        model,
        examples,
        str(path),
        input_names=list(names),
        output_names=[OUTPUT],
        dynamic_shapes=shapes,
        dynamo=True,
        verbose=False,
    )


@contextmanager
def _silence() -> Generator[None]:
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it names every package that it does not find
    with warnings.catch_warnings():
        for category, message in _NOISE:
            warnings.filterwarnings("ignore", message, category)
        try:
            yield
        finally:
            exporter.setLevel(level)
