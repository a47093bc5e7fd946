"""The values that decide a model, read from a TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

DEFAULT_PATH = Path(__file__).with_name("recipe.toml")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How the SentencePiece vocabulary is trained."""

    pieces: int
    foreign_sentences_per_language: int
    english_sentences: int
    character_coverage: float


@dataclass(frozen=True, slots=True)
class Model:
    """The shape of the table and the spread of its first values."""

    dimension: int
    init_std: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is drawn, how it is scored, and how fast the table learns."""

    steps: int
    batch_pairs: int
    cut_pieces: int
    scale: float
    learning_rate: float
    warmup_steps: int
    final_rate: float
    betas: tuple[float, float]
    language_exponent: float
    single_source_share: float

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step: a linear rise, then a linear fall."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        return self.learning_rate * (1 - (1 - self.final_rate) * done)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One file of values; the same recipe on the same data gives the same model."""

    seed: int
    vocabulary: Vocabulary
    model: Model
    schedule: Schedule
    source_weights: dict[str, float]

    def weight_of(self, source: str) -> float:
        """Return the weight of a source: its own, else of the first pattern, else 1."""
        if source in self.source_weights:
            return self.source_weights[source]
        return next(
            (
                weight
                for pattern, weight in self.source_weights.items()
                if fnmatchcase(source, pattern)
            ),
            1.0,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values, for the model's config.json."""
        return asdict(self)


def read_recipe(path: Path = DEFAULT_PATH) -> Recipe:
    """Return the recipe of a TOML file; a missing or unknown key is a TypeError."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    schedule = dict(values.pop("schedule"))
    first, second = schedule.pop("betas")
    return Recipe(
        vocabulary=Vocabulary(**values.pop("vocabulary")),
        model=Model(**values.pop("model")),
        schedule=Schedule(betas=(first, second), **schedule),
        **values,
    )
