"""What is asked of a fine-tuning, and what came of it; the training itself is an adapter's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import JsonValue


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts that mean the same."""

    left: str
    right: str
    left_lang: str = ""
    right_lang: str = ""


Teacher: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""Takes n texts; returns the vectors to imitate, shape (n, its own dimension), unit rows."""


@dataclass(frozen=True, slots=True)
class FinetuneOrder:
    """What to learn from, and how.

    held_out: pairs that are measured on and never learned from. guard: pairs of other matters,
    on which the model must not get worse. output: a folder to make. work: a folder for what an
    interrupted run needs to go on; `resume` says that there may be something in it.
    teacher: gives vectors of the left texts that are imitated as well. learning_rate: None for
    the one that suits the model. patience: evaluations without a gain after which it ends.
    """

    pairs: Sequence[TextPair]
    held_out: Sequence[TextPair]
    guard: Sequence[TextPair]
    output: Path
    work: Path
    teacher: Teacher | None = None
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float | None = None
    patience: int = 3
    seed: int = 0
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of the model after so many steps of `steps`.

    figures: on the held-out pairs, guard: on the guard, as `parallel.measure` names them.
    """

    step: int
    steps: int
    figures: dict[str, float]
    guard: dict[str, float]

    def score(self, first: Evaluation) -> float:
        """Return what decides: the rank of held-out pairs, less what the guard has lost.

        first: the evaluation of the model before.
        """
        lost = first.guard.get("mrr", 0.0) - self.guard.get("mrr", 0.0)
        return self.figures["mrr"] - max(0.0, lost)


OnEvaluation: TypeAlias = Callable[[Evaluation], None]


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """What a training did; the model lies in the order's `output`.

    best: the step whose model was kept; 0 is the model before, unchanged. steps: how many were
    taken. settings: those of the embedder that hold for the new model, too; folder_setting: the
    one that names its folder. recipe: loss, rates and versions, for the model card.
    """

    best: int
    steps: int
    evaluations: Sequence[Evaluation]
    folder_setting: str
    settings: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    recipe: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
