"""Whether two texts are about as long, beside each other, as translations are.

A long sentence has a long translation. A model that averages words sees little of that, so where
it confuses two texts their lengths often tell them apart. How long a text is in the other
language, and how much that varies, is seen in the surest pairs of the mining itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.queries.mining.matching import RowPairs, chosen
from xlingual_qdrant.queries.mining.partners import Listing

ENOUGH = 20
"""With fewer texts that are each other's best, nothing is known of lengths."""
WEIGHT = 0.01
"""What a pair loses of its score at one usual deviation, and four times as much at two."""
FAR = 4.0
"""Deviations from which on more make no difference: some translations leave much out."""
LEAST_DEVIATION = 0.1
"""Lengths that differ by a tenth say nothing, however alike those of other pairs are."""

_SUREST = 3  # of texts that are each other's best, the best one in so many is looked at
_EXTRA = 5  # a few characters more or less say nothing of short texts
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class TextLengths:
    """Of each text of a side the logarithm of its length, and its language by number."""

    logs: NDArray[np.float32]
    langs: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class UsualLengths:
    """What is usual for pairs of two languages.

    left, right: the sides. usual: the difference of the logarithms, left less right, by both
    languages. deviation: how far from that pairs usually are; infinite if it is not known.
    """

    left: TextLengths
    right: TextLengths
    usual: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def weighed(self, pairs: RowPairs) -> RowPairs:
        """Return the pairs with lower scores for those of unusual lengths."""
        langs = self.left.langs[pairs.left], self.right.langs[pairs.right]
        away = self.left.logs[pairs.left] - self.right.logs[pairs.right] - self.usual[langs]
        deviations = np.minimum(np.abs(away) / self.deviation[langs], FAR)
        scores = pairs.scores - np.abs(pairs.scores) * (WEIGHT * deviations**2)
        return RowPairs(pairs.left, pairs.right, scores.astype(np.float32), pairs.cosines)


def usual_lengths(pairs: RowPairs, left: TextLengths, right: TextLengths) -> UsualLengths:
    """Learn from pairs with scores what is usual, for each pair of languages that has enough.

    For the others it is what all pairs together say.
    """
    mutual = chosen(pairs, "intersect")
    differences = left.logs[mutual.left] - right.logs[mutual.right]
    usual, deviation = _centre_and_deviation(differences)
    shape = int(left.langs.max(initial=0)) + 1, int(right.langs.max(initial=0)) + 1
    usuals = np.full(shape, usual, dtype=np.float32)
    deviations = np.full(shape, deviation, dtype=np.float32)
    langs = left.langs[mutual.left] * shape[1] + right.langs[mutual.right]
    groups, counts = np.unique(langs, return_counts=True)
    for group, count in zip(groups.tolist(), counts.tolist(), strict=True):
        surest = differences[langs == group][: max(ENOUGH, count // _SUREST)]
        if len(surest) >= ENOUGH:
            usuals.flat[group], deviations.flat[group] = _centre_and_deviation(surest)
    return UsualLengths(left, right, usuals, deviations)


def log_lengths(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the logarithms of lengths in characters."""
    return np.log([len(text.strip()) + _EXTRA for text in texts]).astype(np.float32)


def text_lengths(listing: Listing) -> TextLengths:
    """Return the lengths of all texts of a side; they are read in parts."""
    logs = np.empty(len(listing), dtype=np.float32)
    for start in range(0, len(listing), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(listing)))
        logs[start : rows.stop] = log_lengths([each.text for each in listing.read(rows)])
    tags, numbers = np.unique(listing.langs, return_inverse=True)
    _, primary = np.unique([tag.partition("-")[0] for tag in tags.tolist()], return_inverse=True)
    return TextLengths(logs, primary.astype(np.int64)[numbers])


def _centre_and_deviation(differences: NDArray[np.float32]) -> tuple[float, float]:
    """Return the median, and the deviation of a normal distribution with this median distance."""
    if len(differences) < ENOUGH:
        return 0.0, inf
    centre = float(np.median(differences))
    return centre, max(1.4826 * float(np.median(np.abs(differences - centre))), LEAST_DEVIATION)
