"""Learning what scores mean between the languages of a collection, from pairs or without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import (
    MEASURES,
    Calibration,
    Measure,
    embedder_name,
    is_same,
    pair_key,
    shipped_calibration,
    write_calibration,
)
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.errors import InvalidInput, UsageError
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.hygiene import composed
from xlingual_qdrant.parallel.figures import groups_of, same_text
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.margins import ratio_margins
from xlingual_qdrant.queries.neighbours import OnProgress
from xlingual_qdrant.queries.scores.background import Background
from xlingual_qdrant.queries.scores.cuts import Learned, Scored, learn_cuts
from xlingual_qdrant.queries.scores.labelled_pairs import LabelledPair
from xlingual_qdrant.queries.scores.partners import LEAST_FOR_MARGINS, nearest_wrong
from xlingual_qdrant.queries.scores.scoring import PairLike, checked_pairs
from xlingual_qdrant.queries.scores.sentences import sentences_of
from xlingual_qdrant.queries.scores.unlabelled_pairs import learn_unlabelled
from xlingual_qdrant.writing import embedder_of, vectors_of

LEAST_PAIRS = 20
"""Pairs in all, below which there is nothing to learn."""
MOST_PAIRS = 2_000
"""Of two languages; with more, a threshold gets no surer."""
_POOL = 1_000  # texts among which the nearest wrong one is sought, as far as there are so many


def calibrate(
    collection: Collection,
    pairs: Iterable[PairLike | LabelledPair] | None = None,
    *,
    langs: tuple[str, str] | None = None,
    keep: bool = True,
    on_progress: OnProgress | None = None,
) -> Calibration:
    """Learn thresholds and probabilities for each pair of languages, and keep them.

    pairs: LabelledPairs, of which some are the same and some are not; or only pairs that are, such
    as translations: then each text also makes a pair with the nearest that is not its partner.
    langs: of the left and the right texts, for pairs without languages; else they are detected.
    Some hundred pairs of two languages are enough; those with few lean on all the others. Without
    pairs, what the documents' nearest neighbours look like decides: this is less sure, and needs
    some hundred documents of a language; for two texts of one language, of which it says little,
    the cuts that ship for the embedder stay, if there are any. keep: with the collection, instead
    of what was there.

    Raises InvalidInput for too few pairs, UsageError for a collection with too few documents.
    """
    name = embedder_name(collection.stored)
    if pairs is None:
        if langs is not None:
            raise UsageError("langs say of which languages pairs are; there are no pairs")
        learned = _from_documents(collection, name, on_progress)
    else:
        learned = _from_pairs(collection, name, pairs, langs, on_progress)
    if keep:
        write_calibration(collection.stored, learned)
    return learned


def _from_documents(
    collection: Collection, name: str, on_progress: OnProgress | None
) -> Calibration:
    cuts = learn_unlabelled(collection, on_progress=on_progress)
    shipped = shipped_calibration(name)
    source = f"{len(collection):,} documents of the collection, without labels"
    if shipped is None:
        return Calibration(embedder=name, cuts=cuts, source=source)
    # The nearest of one language is most often another text of the same subject, so that what
    # is learned from it would take far too many texts for the same.
    for measure, found in cuts.items():
        kept = {key: cut for key, cut in shipped.cuts.get(measure, {}).items() if is_same(key)}
        if kept:
            cuts[measure] = {key: cut for key, cut in found.items() if not is_same(key)} | kept
    return Calibration(
        embedder=name, cuts=cuts, source=f"{source} (two texts of one language: as shipped)"
    )


def _from_pairs(
    collection: Collection,
    name: str,
    pairs: Iterable[PairLike | LabelledPair],
    langs: tuple[str, str] | None,
    on_progress: OnProgress | None,
) -> Calibration:
    listed = list(pairs)
    same = [pair.same if isinstance(pair, LabelledPair) else True for pair in listed]
    texts = checked_pairs(
        (pair.texts if isinstance(pair, LabelledPair) else pair for pair in listed),
        langs,
        collection.detector,
    )
    labelled = not all(same)
    if sum(same) < LEAST_PAIRS:
        raise InvalidInput(
            f"there are {sum(same)} pairs that say the same; at least {LEAST_PAIRS} are needed,"
            " some hundred are better. Without any pairs, the documents of the collection are"
            " asked"
        )
    teacher = _Teacher(collection)
    samples: dict[Measure, dict[str, Scored]] = {measure: {} for measure in MEASURES}
    for (one, other), rows in _by_languages(texts).items():
        chosen = _some(rows)
        there = [_turned(texts[row], one) for row in chosen]
        if labelled:
            told = _Told.labelled(there, [same[row] for row in chosen])
        else:
            told = teacher.with_wrong(there, one, other)
        for measure, sample in teacher.scored(told, one, other).items():
            samples[measure][pair_key(one, other)] = sample
    learned: dict[Measure, Learned] = {
        measure: learn_cuts(found, on_progress=on_progress)
        for measure, found in samples.items()
        if found
    }
    kind = "labelled pairs" if labelled else "pairs that say the same"
    return Calibration(
        embedder=name,
        cuts={measure: found.cuts for measure, found in learned.items()},
        reliability={measure: tuple(found.bins) for measure, found in learned.items()},
        source=f"{len(texts):,} {kind}",
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """Pairs by the places of their texts, whether they are the same, and their weights.

    rows: pairs of one row are held out together.
    """

    lefts: list[str]
    rights: list[str]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    same: NDArray[np.bool_]
    weights: NDArray[np.float64]
    rows: NDArray[np.int64]

    @classmethod
    def labelled(cls, pairs: Sequence[TextPair], same: Sequence[bool]) -> _Told:
        places = np.arange(len(pairs))
        lefts, rights = [pair.left for pair in pairs], [pair.right for pair in pairs]
        weights = np.ones(len(pairs))
        told = np.array(same, dtype=np.bool_)
        return cls(lefts, rights, places, places, told, weights, groups_of(pairs))


class _Teacher:
    """Makes scores of texts."""

    def __init__(self, collection: Collection) -> None:
        self._schema = collection.schema
        self._embedder = embedder_of(
            collection.schema, collection.embedder, "no pairs, and its documents will be asked"
        )
        self._collection = collection
        self._background = Background(self._schema, self._embedder, collection)

    def _vectors(self, texts: list[str]) -> Vectors:
        return vectors_of(self._schema, self._embedder, composed(texts))

    def with_wrong(self, pairs: Sequence[TextPair], one: str, other: str) -> _Told:
        """Return the pairs, and each text with the nearest that is not its partner.

        As many are wrong as are right. Where there are few texts, the sentences that ship stand
        for more of them, because the nearest of few is never as near as that of many.
        """
        n = len(pairs)
        known = {same_text(text) for pair in pairs for text in (pair.left, pair.right)}
        more = [
            [text for text in sentences_of(lang) if same_text(text) not in known]
            for lang in (one, other)
        ]
        wanted = max(0, _POOL - n)
        lefts = [*(pair.left for pair in pairs), *more[0][:wanted]]
        rights = [*(pair.right for pair in pairs), *more[1][:wanted]]
        left, right = self._vectors(lefts), self._vectors(rights)
        groups = groups_of(pairs)
        forward = nearest_wrong(left[:n], right, groups)
        backward = nearest_wrong(right[:n], left, groups)
        rows = np.arange(n)
        return _Told(
            lefts,
            rights,
            np.concatenate([rows, rows, backward]),
            np.concatenate([rows, forward, rows]),
            np.arange(3 * n) < n,
            np.concatenate([np.ones(n), np.full(2 * n, 0.5)]),
            np.tile(groups, 3),
        )

    def scored(self, told: _Told, one: str, other: str) -> Mapping[Measure, Scored]:
        """Return the cosines, and the margins if the collection has enough texts for them."""
        left, right = self._vectors(told.lefts)[told.left], self._vectors(told.rights)[told.right]
        cosines: NDArray[np.float32] = np.einsum("ij,ij->i", left, right)
        found: dict[Measure, NDArray[np.float32]] = {"cosine": cosines}
        counts = [self._background.count(lang) for lang in (one, other)]
        if min(counts) >= LEAST_FOR_MARGINS:
            lefts = [told.lefts[int(place)] for place in told.left]
            rights = [told.rights[int(place)] for place in told.right]
            near_left = self._background.near(left, cosines, other, rights, lefts)
            near_right = self._background.near(right, cosines, one, lefts, rights)
            if near_left is not None and near_right is not None:
                found["margin"] = ratio_margins(cosines, near_left, near_right)
        return {
            measure: Scored(scores.astype(np.float64), told.same, told.weights, told.rows)
            for measure, scores in found.items()
        }


def _by_languages(pairs: Sequence[TextPair]) -> dict[tuple[str, str], list[int]]:
    """Return the places of the pairs of each two languages, whatever side either is on."""
    found: dict[tuple[str, str], list[int]] = {}
    for place, pair in enumerate(pairs):
        one, other = sorted((_base(pair.left_lang), _base(pair.right_lang)))
        found.setdefault((one, other), []).append(place)
    return found


def _turned(pair: TextPair, lang: str) -> TextPair:
    """Return the pair with the text of this language on the left."""
    if _base(pair.left_lang) == lang:
        return pair
    return TextPair(pair.right, pair.left, pair.right_lang, pair.left_lang)


def _base(tag: str) -> str:
    return tag.partition("-")[0]


def _some(rows: list[int]) -> list[int]:
    if len(rows) <= MOST_PAIRS:
        return rows
    chosen = np.random.default_rng(0).choice(len(rows), MOST_PAIRS, replace=False)
    return [rows[place] for place in np.sort(chosen).tolist()]
