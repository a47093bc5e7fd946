"""Pairs of texts: how near they are in meaning, and whether they say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import (
    MEASURES,
    Calibration,
    Measure,
    calibration_of,
    shipped_calibration,
)
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.errors import InvalidDocument, InvalidInput, UsageError
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.hygiene import composed
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import Embedder, LanguageDetector, Vectors
from xlingual_qdrant.queries.margins import ratio_margins
from xlingual_qdrant.queries.scores.background import Background
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.settings import load_detector, load_embedder
from xlingual_qdrant.validation import check_lang, check_text
from xlingual_qdrant.writing import embedder_of, vectors_of

PairLike: TypeAlias = TextPair | tuple[str, str] | Sequence[str]
"""Two texts, with their languages or without."""

AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class PairScore:
    """How near two texts are, and what that means between their languages.

    cosine: -1 to 1. margin: the cosine, divided by the mean cosine of both texts with the texts
    nearest to them in the other's language; None if no texts are known to compare with.
    probability: that they say the same, where as many pairs do as do not and those that do not
    look alike; same: the verdict; measure, threshold: what it was made by. These four are None
    without a calibration.
    """

    left: str
    right: str
    left_lang: str
    right_lang: str
    cosine: float
    margin: float | None
    probability: float | None
    same: bool | None
    measure: Measure | None
    threshold: float | None


def score(
    left: str,
    right: str,
    *,
    langs: tuple[str, str] | None = None,
    collection: Collection | Embedder | None = None,
    measure: Measure = "cosine",
) -> PairScore:
    """Say how near two texts are in meaning, and whether they say the same.

    All as in `score_pairs`. Without a collection the bundled model is asked.
    """
    [found] = score_pairs(collection, [(left, right)], langs=langs, measure=measure)
    return found


def score_pairs(
    collection: Collection | Embedder | None,
    pairs: Iterable[PairLike],
    *,
    langs: tuple[str, str] | None = None,
    measure: Measure = "cosine",
) -> Iterator[PairScore]:
    """Score pairs one after the other, many at once inside.

    collection: whose embedder, calibration and texts are asked; nothing is written. An embedder
    does as well, with the calibration that ships if it is the bundled one; None takes that.
    pairs: two texts each, or TextPairs with languages. langs: those of the left and of the right
    texts, for pairs without; else they are detected. measure: what decides. The margin needs a
    collection with enough texts of both languages, and a calibration with margins.

    Raises InvalidInput for a text that is none, with the number of its pair; UsageError.
    """
    if measure not in MEASURES:
        raise UsageError(f"measure is 'cosine' or 'margin', not {measure!r}")
    asked = _Asked.of(collection)
    return _scored(asked, pairs, langs, measure)


def checked_pairs(
    pairs: Iterable[PairLike],
    langs: tuple[str, str] | None,
    detector: LanguageDetector | None,
    *,
    first: int = 1,
) -> list[TextPair]:
    """Return pairs that can be embedded, each with its languages.

    langs: of the left and the right texts, for pairs without. first: the number of the first.
    Raises InvalidInput with the number of the pair, UsageError.
    """
    tags = ("", "") if langs is None else _checked_langs(langs)
    checked = [_checked(number, pair, tags) for number, pair in enumerate(pairs, first)]
    return _with_langs(checked, detector)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What pairs are scored with."""

    embedder: Embedder
    schema: CollectionSchema
    calibration: Calibration | None
    background: Background
    detector: LanguageDetector | None

    @classmethod
    def of(cls, collection: Collection | Embedder | None) -> _Asked:
        if collection is None:
            return _without_collection()
        if not isinstance(collection, Collection):
            return cls.of_embedder(collection)
        schema = collection.schema
        embedder = embedder_of(schema, collection.embedder, "no texts but vectors to a search")
        background = Background(schema, embedder, collection)
        known = calibration_of(collection.stored)
        return cls(embedder, schema, known, background, collection.detector)

    @classmethod
    def of_embedder(cls, embedder: Embedder) -> _Asked:
        """Return what there is without a collection."""
        name = embedder.fingerprint
        schema = CollectionSchema(name="pairs", dimension=embedder.dimension, embedder=name)
        background = Background(schema, embedder, None)
        return cls(embedder, schema, shipped_calibration(str(name)), background, load_detector())

    def vectors(self, texts: list[str]) -> Vectors:
        return vectors_of(self.schema, self.embedder, composed(texts))


@cache
def _without_collection() -> _Asked:
    # Kept, because whoever scores pairs one by one would load the model with each.
    return _Asked.of_embedder(load_embedder())


def _scored(
    asked: _Asked,
    pairs: Iterable[PairLike],
    langs: tuple[str, str] | None,
    measure: Measure,
) -> Iterator[PairScore]:
    remaining = iter(pairs)
    first = 1
    while batch := list(islice(remaining, AT_ONCE)):
        checked = checked_pairs(batch, langs, asked.detector, first=first)
        yield from _score_batch(asked, checked, measure)
        first += len(batch)


def _score_batch(asked: _Asked, pairs: list[TextPair], measure: Measure) -> Iterator[PairScore]:
    left = asked.vectors([pair.left for pair in pairs])
    right = asked.vectors([pair.right for pair in pairs])
    cosines: NDArray[np.float32] = np.clip(np.einsum("ij,ij->i", left, right), -1, 1)
    margins: list[float | None] = [None] * len(pairs)
    groups: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(pairs):
        groups.setdefault((pair.left_lang, pair.right_lang), []).append(row)
    for (one, other), rows in groups.items():
        there = [pairs[row] for row in rows]
        lefts, rights = [pair.left for pair in there], [pair.right for pair in there]
        near_left = asked.background.near(left[rows], cosines[rows], other, rights, lefts)
        near_right = asked.background.near(right[rows], cosines[rows], one, lefts, rights)
        if near_left is None or near_right is None:
            continue
        found = ratio_margins(cosines[rows], near_left, near_right)
        for row, value in zip(rows, found.tolist(), strict=True):
            margins[row] = value
    for pair, cosine, margin in zip(pairs, cosines.tolist(), margins, strict=True):
        yield _judged(asked, pair, cosine, margin, measure)


def _judged(
    asked: _Asked, pair: TextPair, cosine: float, margin: float | None, measure: Measure
) -> PairScore:
    one, other = pair.left_lang, pair.right_lang
    cut = None if asked.calibration is None else asked.calibration.cut(measure, one, other)
    value: float | None = cosine
    if measure == "margin":
        asked.background.refuse_few(one, other)
        value = margin
        if cut is None:
            raise UsageError(
                f"there is no calibration of margins between {one} and {other}; calibrate the"
                " collection with some hundred pairs (`xlingual calibrate`), or let the cosine"
                " decide"
            )
    if cut is None or value is None:
        return PairScore(pair.left, pair.right, one, other, cosine, margin, None, None, None, None)
    probability = float(cut.probability(np.array([value], dtype=np.float32))[0])
    return PairScore(
        pair.left,
        pair.right,
        one,
        other,
        cosine,
        margin,
        probability,
        value >= cut.threshold,
        measure,
        cut.threshold,
    )


def _checked(number: int, pair: PairLike, tags: tuple[str, str]) -> TextPair:
    if not isinstance(pair, TextPair):
        if isinstance(pair, str) or len(pair) != 2:
            raise InvalidInput(f"pair {number} is {str(pair)[:60]!r}; give two texts for each")
        pair = TextPair(pair[0], pair[1])
    try:
        return TextPair(
            check_text(pair.left),
            check_text(pair.right),
            check_lang(pair.left_lang) or tags[0],
            check_lang(pair.right_lang) or tags[1],
        )
    except InvalidDocument as exc:
        raise InvalidInput(f"pair {number}: {exc.detail} ({exc.reason})") from None


def _checked_langs(langs: tuple[str, str]) -> tuple[str, str]:
    if isinstance(langs, str) or len(langs) != 2:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"langs are two tags, of the left and of the right texts, not {langs!r}")
    try:
        return check_lang(langs[0]), check_lang(langs[1])
    except InvalidDocument as exc:
        raise UsageError(exc.detail) from None


def _with_langs(pairs: list[TextPair], detector: LanguageDetector | None) -> list[TextPair]:
    """Return the pairs with a detected language wherever there is none."""
    unknown = [pair.left for pair in pairs if not pair.left_lang]
    unknown += [pair.right for pair in pairs if not pair.right_lang]
    found = iter(detector.detect(unknown) if detector is not None and unknown else [])
    lefts = [pair.left_lang or next(found, (UNDETERMINED, 0))[0] for pair in pairs]
    rights = [pair.right_lang or next(found, (UNDETERMINED, 0))[0] for pair in pairs]
    return [
        TextPair(pair.left, pair.right, one, other)
        for pair, one, other in zip(pairs, lefts, rights, strict=True)
    ]
