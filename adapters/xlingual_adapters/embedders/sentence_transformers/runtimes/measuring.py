"""Speed and nearness of a forward pass, beside the one that the model came with."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from torch import nn

from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Place
from xlingual_adapters.embedders.sentence_transformers.runtimes.sample import SAMPLE
from xlingual_qdrant.ports import Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Runtime: TypeAlias = Literal["torch", "onnx", "openvino"]
Reached: TypeAlias = Literal["fp32", "fp16", "bf16", "int8"]

_BATCH = 8
"""Small, so that texts of a like length go together, as those of a large collection do."""
_TIMED = SAMPLE[1::2]
"""Half of the texts, the longest among them: many short rounds tell more than few long ones."""
_ROUNDS = 5
_FAR_BEHIND = 0.75
_PATIENCE_S = 6.0
"""After so long no further round begins: a large model shows its speed in the first."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of computing: how near it is to torch fp32 on the sample, and how fast beside it.

    least_cosine, mean_cosine: to the vectors of torch fp32. speed: in multiples of torch fp32,
    None if it was not timed.
    """

    backend: Runtime
    precision: Reached
    least_cosine: float
    mean_cosine: float
    speed: float | None = None

    @property
    def label(self) -> str:
        """Such as "openvino bf16"."""
        return f"{self.backend} {self.precision}"

    def to_json(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Measured:
        """Return what `to_json` has written."""
        return cls(**value)


def encode(model: SentenceTransformer, texts: Sequence[str] = SAMPLE) -> Vectors:
    """Return vectors, unit rows."""
    rows: Any = model.encode(
        list(texts), batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True
    )
    vectors = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


def cosines(one: Vectors, other: Vectors) -> tuple[float, float]:
    """Return the least and the mean cosine of rows; -1 where a number is not finite."""
    each = np.nan_to_num((one * other).sum(axis=1, dtype=np.float64), nan=-1.0)
    return float(each.min()), float(each.mean())


def speed(
    model: SentenceTransformer, place: Place, module: nn.Module, *, to_beat: float = 0.0
) -> float:
    """Return how many times as fast as the original a module is, in the whole of `encode`.

    Both take turns, and the quickest round of each counts: what else the machine does
    only ever makes a round longer. One that is far from the speed `to_beat` gets one round.
    """
    begun = time.perf_counter()
    with place.holding(module):
        encode(model, _TIMED)  # batches of these shapes are new to it
    own: list[float] = []
    others: list[float] = []
    for _ in range(_ROUNDS):
        own.append(_seconds(model))
        with place.holding(module):
            others.append(_seconds(model))
        hopeless = min(own) / min(others) < _FAR_BEHIND * to_beat
        if hopeless or time.perf_counter() - begun > _PATIENCE_S:
            break
    return min(own) / min(others)


def _seconds(model: SentenceTransformer) -> float:
    began = time.perf_counter()
    encode(model, _TIMED)
    return time.perf_counter() - began
