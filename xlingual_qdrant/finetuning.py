"""What is asked of a fine-tuning, and what came of it; the training itself is an adapter's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from xlingual_qdrant.documents import JsonValue


@dataclass(frozen=True, slots=True)
class TextPair:
    """Two texts that mean the same."""

    left: str
    right: str
    left_lang: str = ""
    right_lang: str = ""


@dataclass(frozen=True, slots=True)
class FinetuneOrder:
    """What to learn from, and how.

    held_out: pairs that are measured on and never learned from. teacher: the name of a model
    whose vectors are imitated as well. patience: evaluations without a gain after which it ends.
    resume: go on where an interrupted run of the same output stopped.
    """

    pairs: Sequence[TextPair]
    held_out: Sequence[TextPair]
    output: Path
    teacher: str | None = None
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float | None = None
    patience: int = 3
    seed: int = 0
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures on the held-out pairs at one moment: by name, each 0 to 1, higher is better."""

    step: int
    figures: dict[str, float]


OnEvaluation: TypeAlias = Callable[[Evaluation], None]


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """What a fine-tuning did. best: the step whose model was kept; 0 is the model before."""

    before: Evaluation
    after: Evaluation
    best: int
    pairs: int
    held_out: int
    seconds: float
    output: Path

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "before": {**self.before.figures},
            "after": {**self.after.figures},
            "best": self.best,
            "pairs": self.pairs,
            "held_out": self.held_out,
            "seconds": round(self.seconds, 1),
            "output": str(self.output),
        }
