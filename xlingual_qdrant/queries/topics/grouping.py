"""Groups of vectors by what they speak of, whatever language they are in: arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.kmeans import kmeans, nearest_centre, unit_rows

LEARNED_FROM = 20_000
"""Rows of a larger set from which the centres are learned."""

_ROUNDS = 25
_STARTS = 4  # of which the closest groups are kept
_ROUNDS_TRIED = 8  # while numbers of groups are tried
_JUDGED = 1500  # rows whose silhouettes choose the number of groups
_TRIED_ON = 2000  # rows that are grouped for that
_MOST = 100  # groups that are tried
_CLEAR = 0.1  # a silhouette that says something
_UNCLEAR = 30  # groups at most where none does
_OUTSIDE = 3.0  # times the usual deviation, downwards from the middle
_BELIEVED = 20  # texts from which on a language's own mean says more than that of all


@dataclass(frozen=True, slots=True)
class Topics:
    """The group of each row, and how near it is to the middle of its group.

    labels: shape (n,), -1 for rows that fit into no group. similarity: shape (n,), cosines with
    the nearest centre. centres: shape (groups, dimension), unit rows.
    """

    labels: NDArray[np.int64]
    similarity: NDArray[np.float32]
    centres: Vectors


def without_language(vectors: Vectors, langs: NDArray[np.str_]) -> Vectors:
    """Return the vectors less what all texts of their language have in common, at length 1.

    The mean of a language with few texts is drawn towards the mean of all, the more so the
    fewer they are: else texts that are alone in their language would have nothing left.
    """
    if not len(vectors):
        return vectors
    overall = vectors.mean(axis=0)
    moved = np.empty_like(vectors)
    for tag in np.unique(langs):
        rows = langs == tag
        count = int(rows.sum())
        mean = (vectors[rows].sum(axis=0) + _BELIEVED * overall) / (count + _BELIEVED)
        moved[rows] = vectors[rows] - mean
    return unit_rows(moved)


def topics_of(points: Vectors, count: int | None, *, outliers: bool, seed: int) -> Topics:
    """Group unit rows around `count` centres, or as many as their silhouettes speak for.

    points: shape (n, dimension), n at least 1. outliers: leave out rows that are much less like
    their centre than is usual.
    """
    generator = np.random.default_rng(seed)
    sample = _some(points, LEARNED_FROM, generator)
    groups = best_count(points, seed) if count is None else count
    centres = _closest(sample, min(groups, len(points)), generator)
    labels, similarity = nearest_centre(points, centres)
    if outliers:
        labels[_far_out(similarity)] = -1
    return Topics(labels, similarity, centres)


def best_count(points: Vectors, seed: int) -> int:
    """Return the number of groups with the highest mean silhouette, if that is high enough.

    The silhouette of a row compares its mean distance to the rows of its own group with that to
    the nearest other group. Tried are 2, 3, 4, 6, 8, 11, 16 and so on, to 100 groups or a third
    of the rows, on a sample. Where no number reaches 0.1 the rows have no clear groups, and the
    silhouettes no say: then it is the root of half the rows, at most 30.
    """
    generator = np.random.default_rng(seed)
    sample = _some(points, _TRIED_ON, generator)
    judged = sample[:: max(1, -(-len(sample) // _JUDGED))]
    most = min(_MOST, len(sample) // 3)
    tried = sorted({round(2 ** (half / 2)) for half in range(2, 15)} | {_MOST})
    best, highest = 0, _CLEAR
    distances = 1 - judged @ judged.T
    for count in (each for each in tried if each <= most):
        centres = _closest(sample, count, generator, rounds=_ROUNDS_TRIED)
        labels, _ = nearest_centre(judged, centres)
        reached = float(_silhouettes(distances, labels, count).mean())
        if reached > highest:
            best, highest = count, reached
    return best or max(1, min(_UNCLEAR, round((len(points) / 2) ** 0.5)))


def _silhouettes(
    distances: NDArray[np.float32], labels: NDArray[np.int64], count: int
) -> NDArray[np.float32]:
    """Return the silhouette of each row; 0 for a row that is alone in its group."""
    member = np.zeros((len(labels), count), dtype=np.float32)
    rows = np.arange(len(labels))
    member[rows, labels] = 1
    sizes = member.sum(axis=0)
    summed = distances @ member
    own = summed[rows, labels] / np.maximum(sizes[labels] - 1, 1)
    mean: NDArray[Any] = summed / np.maximum(sizes, 1)
    mean[:, sizes == 0] = np.inf
    mean[rows, labels] = np.inf
    other = mean.min(axis=1)
    larger = np.maximum(np.maximum(own, other), np.finfo(np.float32).tiny)
    known = (sizes[labels] > 1) & np.isfinite(other)
    return np.where(known, (np.where(known, other, 0) - own) / larger, 0).astype(np.float32)


def _closest(
    points: Vectors,
    count: int,
    generator: np.random.Generator,
    *,
    rounds: int = _ROUNDS,
) -> Vectors:
    """Return the centres of the start after which the rows lie closest to them."""
    best, nearest = None, -np.inf
    for _ in range(_STARTS):
        centres = kmeans(points, count, rounds=rounds, generator=generator, spread=True)
        reached = float(nearest_centre(points, centres)[1].mean())
        if best is None or reached > nearest:
            best, nearest = centres, reached
    assert best is not None
    return best


def _far_out(similarity: NDArray[np.float32]) -> NDArray[np.bool_]:
    middle = np.median(similarity)
    deviation = 1.4826 * np.median(np.abs(similarity - middle))  # as the standard deviation's
    return similarity < middle - _OUTSIDE * deviation


def _some(points: Vectors, most: int, generator: np.random.Generator) -> Vectors:
    if len(points) <= most:
        return points
    return points[np.sort(generator.choice(len(points), most, replace=False))]
