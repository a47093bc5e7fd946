"""Finding translations in two sets of texts that were never lined up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.asking import checked_count
from xlingual_qdrant.calibration import ANY, Cut, Measure, calibration_of
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.margins import PAIR_MEASURES, PairMeasure
from xlingual_qdrant.queries.mining.guards import Guards, usual_log_ratio
from xlingual_qdrant.queries.mining.lengths import UsualLengths, text_lengths, usual_lengths
from xlingual_qdrant.queries.mining.matching import (
    METHODS,
    Method,
    RowPairs,
    candidates,
    chosen,
    next_best,
)
from xlingual_qdrant.queries.mining.partners import Listing
from xlingual_qdrant.queries.mining.sides import Texts, neighbours_of, order_of, sides_of
from xlingual_qdrant.queries.neighbours import Nearest, OnProgress
from xlingual_qdrant.queries.scores.unlabelled import cut_from_candidates

Threshold: TypeAlias = float | Literal["calibrated"]
Cuts: TypeAlias = Cut | Mapping[tuple[str, str], Cut]
"""Threshold and probabilities, of all pairs or by their two languages."""

FEW = 100
"""With fewer texts on a side most neighbours are far away, and margins say nothing."""

_AT_ONCE = 1000
_SAMPLE = 2000  # pairs that tell the usual ratio of lengths
_KEPT_AS: dict[PairMeasure, Measure] = {"cosine": "cosine", "ratio": "margin"}


@dataclass(frozen=True, slots=True)
class MinedPair:
    """Two texts that probably say the same.

    score: by the measure of the mining, lowered for unusual lengths if they are compared.
    probability: that they do, 0 to 1. cosine: of their vectors.
    """

    score: float
    probability: float
    cosine: float
    source: Document
    target: Document


@dataclass(frozen=True, slots=True)
class Mined:
    """Pairs of texts, best first. Their texts are fetched as one goes over them.

    measure: what scores are. cuts: what the probabilities come from, and the threshold unless it
    was given. sources, targets: the texts of both sides. pairs: rows of them, before `guards`
    have seen the texts. checkpoint: what an interrupted call would take up.
    """

    measure: PairMeasure
    cuts: Cuts
    sources: Listing
    targets: Listing
    pairs: RowPairs
    guards: Guards
    checkpoint: Checkpoint

    def __iter__(self) -> Iterator[MinedPair]:
        usual = self._usual_log_ratio() if self.guards.by_length else 0.0
        for start in range(0, len(self.pairs), _AT_ONCE):
            part = self.pairs.take(np.arange(start, min(start + _AT_ONCE, len(self.pairs))))
            sources, targets = self._texts(part)
            likely = _probabilities(self.cuts, part, self.sources, self.targets)
            for row in np.flatnonzero(self.guards.passing(sources, targets, usual)).tolist():
                yield MinedPair(
                    float(part.scores[row]),
                    float(likely[row]),
                    float(part.cosines[row]),
                    sources[row],
                    targets[row],
                )

    def finish(self) -> None:
        """Forget what the checkpoint keeps: the pairs are where they belong."""
        self.checkpoint.finish()

    def _texts(self, pairs: RowPairs) -> tuple[list[Document], list[Document]]:
        return self.sources.read(pairs.left.tolist()), self.targets.read(pairs.right.tolist())

    def _usual_log_ratio(self) -> float:
        one, other = self._texts(self.pairs.take(np.arange(min(_SAMPLE, len(self.pairs)))))
        return usual_log_ratio([each.text for each in one], [each.text for each in other])


def mine(
    collection: Collection,
    source: Texts,
    target: Texts,
    *,
    target_collection: Collection | None = None,
    measure: PairMeasure | None = None,
    k: int = 4,
    method: Method = "max",
    compare_lengths: bool = True,
    threshold: Threshold | None = None,
    min_cosine: float | None = None,
    max_length_ratio: float | None = None,
    skip_identical: bool = False,
    check_langs: bool = False,
    through_index: bool | None = None,
    checkpoint: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Mined:
    """Find the texts of two sides that are translations of each other; return the pairs.

    source, target: a language of the collection (`"en"`, with all its regions), a `Corpus`, or
    texts, dicts or Documents, which are embedded and not kept. target_collection: where the
    target language is; the same collection if it is not given. measure: what pairs are scored
    by; default "ratio", or "cosine" with fewer than 100 texts on a side. k: neighbours that a
    margin is taken over, and that are looked at as partners. method: see `matching.chosen`.
    compare_lengths: with the measure "ratio", lower the scores of pairs whose lengths are
    unusual beside each other, see `lengths`.

    threshold: the least score; "calibrated": what the collection's calibration says for the two
    languages of each pair (measures "ratio" and "cosine"); by default it is found in the scores
    themselves, without labels, or taken from the calibration where a side has fewer than 100 texts
    and no measure is named. min_cosine: the least cosine, whatever the score.
    max_length_ratio: leave out pairs of which one text is so many times longer than is usual
    for the two sides. skip_identical: leave out pairs of a text and itself. check_langs: leave
    out pairs whose texts are both in one language, as far as the detector is sure.

    through_index: leave vectors where they are and ask the store's search, which may miss some;
    only for languages of collections; by default done if the vectors take more than 4 GiB.
    checkpoint: a folder for what is done; the same call takes it up after an interruption, and
    `Mined.finish` removes it. on_progress: called with texts done and all.

    Raises UsageError if the two sides share documents, or nothing is known for "calibrated".
    """
    checked_count("k", k)
    _check_choice("method", method, METHODS)
    if measure is not None:
        _check_choice("measure", measure, PAIR_MEASURES)
    if max_length_ratio is not None and not max_length_ratio > 1:
        raise UsageError(f"max_length_ratio is a number above 1, such as 3, not {max_length_ratio}")
    left, right = sides_of(
        collection, target_collection or collection, source, target, through_index
    )
    sources, targets = left.listing, right.listing
    if measure is None:
        few = min(len(sources), len(targets)) < FEW
        measure = "cosine" if few else "ratio"
        # A handful of scores says little about where right pairs end.
        if few and threshold is None and _knows_any_cosine(collection):
            threshold = "calibrated"
    kept = Checkpoint(checkpoint, order_of(left, right, k + 1))
    forward, backward = neighbours_of(left, right, k + 1, checkpoint=kept, on_progress=on_progress)
    pool = candidates(_first(forward, k), _first(backward, k), measure)
    lengths: UsualLengths | None = None
    if compare_lengths and measure == "ratio":
        lengths = usual_lengths(pool, text_lengths(sources), text_lengths(targets))
        pool = lengths.weighed(pool)
    if threshold == "calibrated":
        cuts: Cuts = _calibrated(collection, measure, sources, targets)
    else:
        best = chosen(pool, "max")
        weighed = None if lengths is None else lengths.weighed
        wrong = next_best(forward, backward, best, measure, k=k, weighed=weighed)
        cuts = cut_from_candidates(best.scores, wrong.scores)
    least = (
        np.full(len(pool), threshold, dtype=np.float32)
        if isinstance(threshold, int | float)
        else _thresholds(cuts, pool, sources, targets)
    )
    enough = pool.scores >= least
    if min_cosine is not None:
        enough &= pool.cosines >= min_cosine
    pairs = chosen(pool.take(enough), method, least=least[enough])
    guards = Guards(
        max_length_ratio=max_length_ratio,
        skip_identical=skip_identical,
        detector=collection.detector if check_langs else None,
    )
    return Mined(measure, cuts, sources, targets, pairs, guards, kept)


def _check_choice(name: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise UsageError(f"{name} is one of {', '.join(known)}, not {given!r}")


def _first(found: Nearest, k: int) -> Nearest:
    return Nearest(found.scores[:, :k], found.rows[:, :k])


def _knows_any_cosine(collection: Collection) -> bool:
    """Say whether the collection's calibration has a cosine for any two languages."""
    known = calibration_of(collection.stored)
    return known is not None and ANY in known.cuts.get("cosine", {})


def _calibrated(
    collection: Collection, measure: PairMeasure, sources: Listing, targets: Listing
) -> dict[tuple[str, str], Cut]:
    """Return the cut of each pair of languages that the two sides have."""
    if measure not in _KEPT_AS:
        raise UsageError(
            f"there is no calibration of {measure} scores; take the measure 'ratio' or 'cosine',"
            " or give a number as threshold"
        )
    known = calibration_of(collection.stored)
    if known is None:
        raise UsageError(
            f"collection '{collection.name}' has no calibration for its embedder; make one with"
            " `xlingual calibrate`, give a number, or leave the threshold out"
        )
    cuts: dict[tuple[str, str], Cut] = {}
    for one in np.unique(sources.langs).tolist():
        for other in np.unique(targets.langs).tolist():
            cut = known.cut(_KEPT_AS[measure], one, other)
            if cut is None:
                raise UsageError(
                    f"the calibration of collection '{collection.name}' has no {_KEPT_AS[measure]}"
                    f" threshold for {one} and {other}; calibrate with pairs of these languages,"
                    " give a number, or leave the threshold out"
                )
            cuts[one, other] = cut
    return cuts


def _thresholds(
    cuts: Cuts, pairs: RowPairs, sources: Listing, targets: Listing
) -> NDArray[np.float32]:
    """Return the threshold of each pair."""
    found = np.empty(len(pairs), dtype=np.float32)
    for rows, cut in _by_languages(cuts, pairs, sources, targets):
        found[rows] = cut.threshold
    return found


def _probabilities(
    cuts: Cuts, pairs: RowPairs, sources: Listing, targets: Listing
) -> NDArray[np.float32]:
    found = np.empty(len(pairs), dtype=np.float32)
    for rows, cut in _by_languages(cuts, pairs, sources, targets):
        found[rows] = cut.probability(pairs.scores[rows])
    return found


def _by_languages(
    cuts: Cuts, pairs: RowPairs, sources: Listing, targets: Listing
) -> Iterator[tuple[NDArray[np.bool_], Cut]]:
    """Yield each cut with a mask of the pairs that it holds for."""
    if isinstance(cuts, Cut):
        yield np.ones(len(pairs), dtype=np.bool_), cuts
        return
    one, other = sources.langs[pairs.left], targets.langs[pairs.right]
    for (source, target), cut in cuts.items():
        yield (one == source) & (other == target), cut
