"""What a score means between two languages: thresholds and probabilities, kept as state.

`queries/calibrating.py` learns them; search, pair scores, duplicates and mining read them here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from xlingual_qdrant.errors import CalibrationUnused, UsageError
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import StoredCollection

Measure: TypeAlias = Literal["cosine", "margin"]
"""What is compared with a threshold: the cosine of two texts, or their ratio margin."""
MEASURES: tuple[Measure, ...] = get_args(Measure)

STATE = "calibration"
"""The key under which a collection keeps its calibration."""
SHIPPED = "calibrations/static-256.json"
"""What ships for the bundled model; its README says what it was learned from."""
FORMAT_VERSION = 1
ANY = "*"
"""The key of the cut for pairs of languages that have none of their own."""
SAME = "="
"""The key of the cut for two texts of one language, where that language has none of its own."""


class Cut(BaseModel):
    """Where two texts of two languages count as the same, and how likely they are at a score.

    threshold: the least score of a pair that counts. slope, offset: the probability at a score
    is 1 / (1 + exp(-(slope * score + offset))). pairs: how many were learned from. method: from
    "labels", or "unlabelled" texts. f1: what the threshold reached on pairs that it was not
    learned from, 0 to 1; None if that is not known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float
    slope: float
    offset: float
    pairs: int = Field(ge=0)
    method: Literal["labels", "unlabelled"]
    f1: float | None = None

    def probability(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how likely pairs with these scores are the same; shapes are equal, 0 to 1."""
        scaled = np.clip(self.slope * scores.astype(np.float64) + self.offset, -60, 60)
        return (1 / (1 + np.exp(-scaled))).astype(np.float32)


class Bin(BaseModel):
    """Pairs of about the same probability, and how many of them are the same.

    They are pairs that the cuts were not learned from. pairs: how many. predicted: mean of their
    probabilities. observed: share of those that are the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pairs: float
    predicted: float
    observed: float


class Calibration(BaseModel):
    """The cuts of an embedder, for each measure by pair of languages.

    embedder: the name of the fingerprint that they were learned with; another embedder's scores
    mean other things. cuts: keys are `pair_key`s, `SAME`, `ANY`. reliability: whether probabilities
    hold, for each measure that was learned from labels. source: what it was learned from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = FORMAT_VERSION
    embedder: str
    cuts: Mapping[Measure, Mapping[str, Cut]]
    reliability: Mapping[Measure, tuple[Bin, ...]] = {}
    source: str = ""

    def cut(self, measure: Measure, one: str, other: str) -> Cut | None:
        """Return what holds for two tags: of them, of their base languages, or of any pair."""
        known = self.cuts.get(measure, {})
        bases = _base(one), _base(other)
        keys = [pair_key(one, other), pair_key(*bases)]
        if bases[0] == bases[1] != UNDETERMINED:
            keys.append(SAME)
        return next((known[key] for key in (*keys, ANY) if key in known), None)

    def to_bytes(self) -> bytes:
        """Return what is kept as state."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_bytes(cls, kept: bytes) -> Self:
        """Read what `to_bytes` wrote; raises UsageError if it is something else."""
        try:
            found = cls.model_validate_json(kept)
        except ValidationError as exc:
            raise UsageError(
                "the calibration cannot be read; `xlingual calibrate` makes a new one:"
                f" {exc.errors()[0]['msg']}"
            ) from None
        if found.version > FORMAT_VERSION:
            raise UsageError(
                f"the calibration has format {found.version}, this version reads up to"
                f" {FORMAT_VERSION}; upgrade xlingual-qdrant, or calibrate again"
            )
        return found


def pair_key(one: str, other: str) -> str:
    """Return the key of two tags, in whatever order they are given: `de|en`."""
    return "|".join(sorted((one, other)))


def is_same(key: str) -> bool:
    """Return whether the cut of a key is for two texts of one language."""
    one, _, other = key.partition("|")
    return key == SAME or (key != ANY and _base(one) == _base(other))


def read_calibration(stored: StoredCollection) -> Calibration | None:
    """Return what the collection keeps; None if it was never calibrated, or for another embedder.

    Raises UsageError if what is kept cannot be read.
    """
    kept = stored.read_state(STATE)
    if kept is None:
        return None
    found = Calibration.from_bytes(kept)
    return found if found.embedder == embedder_name(stored) else None


def write_calibration(stored: StoredCollection, calibration: Calibration | None) -> None:
    """Keep a calibration with the collection; None forgets it."""
    stored.write_state(STATE, None if calibration is None else calibration.to_bytes())


def calibration_of(stored: StoredCollection) -> Calibration | None:
    """Return what holds for a collection: its own calibration, else the one that ships.

    The latter is for the bundled model only. Warns (CalibrationUnused) of one that is kept but was
    learned with another embedder. Raises UsageError if what is kept cannot be read.
    """
    name = embedder_name(stored)
    kept = stored.read_state(STATE)
    if kept is not None:
        found = Calibration.from_bytes(kept)
        if found.embedder == name:
            return found
        warnings.warn(
            f"collection '{stored.schema.name}' keeps a calibration of {found.embedder}, which says"
            f" nothing about the scores of {name}, and is not used; `xlingual calibrate` makes a"
            " new one",
            CalibrationUnused,
            stacklevel=2,
        )
    return shipped_calibration(name)


def shipped_calibration(embedder: str) -> Calibration | None:
    """Return the calibration that ships for an embedder, named as its fingerprint; None if none."""
    shipped = _shipped()
    return shipped if shipped is not None and shipped.embedder == embedder else None


@cache
def _shipped() -> Calibration | None:
    file = files("xlingual_qdrant").joinpath(SHIPPED)
    return Calibration.from_bytes(file.read_bytes()) if file.is_file() else None


def embedder_name(stored: StoredCollection) -> str:
    """Return what a calibration calls the embedder of a collection."""
    known = stored.schema.embedder
    return f"vectors of {stored.schema.dimension} dimensions" if known is None else str(known)


def logit(probability: float) -> float:
    """Return the log odds of a probability strictly between 0 and 1."""
    return math.log(probability / (1 - probability))


def _base(tag: str) -> str:
    return tag.partition("-")[0]
