"""Corrections of a multilingual space: pure functions over vectors, statistics and scores.

Such a space puts texts near to others of their own language, and near to some texts whatever is
asked (hubs). What is done about it here:

- *centring*: the mean of each language is taken off its documents, the mean of what is asked off
  the queries; means from few texts are shrunk by the positive-part estimator of James and Stein
  (1961), https://projecteuclid.org/euclid.bsmsp/1200512173.
- *CSLS*: Conneau et al. 2018, https://arxiv.org/abs/1710.04087.
- *LIR*: Yang et al. 2021, https://arxiv.org/abs/2109.04727.
- *MMR*, against results that repeat each other: Carbonell and Goldstein 1998,
  https://doi.org/10.1145/290941.291025.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.statistics import Statistics

Vector = NDArray[np.float32]

TOP = 10
"""How many first results each language is to have its share of."""
OWN_WEIGHT = 5
"""The top scores of a query itself count as so many learned ones."""

_LEAST_LENGTH = 1e-6


def units(rows: Vectors) -> Vectors:
    """Return rows of length 1; a row of zeros stays as it is."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, _LEAST_LENGTH)


def shrinkage(mean: Vector, count: int, variance: float) -> float:
    """Return how far a mean of `count` vectors is to be trusted, 0 to 1 (James and Stein).

    variance: of one vector, summed over the dimensions.
    """
    length = float(mean @ mean)
    if count < 1 or length < _LEAST_LENGTH**2:
        return 0.0
    return max(0.0, 1.0 - variance / count / length)


# ---------------------------------------------------------------- centring


@dataclass(frozen=True, slots=True)
class Centres:
    """What is taken off the vectors: by tag of documents, and by tag of queries.

    documents: shape (dimension,) each. queries: for tags that were asked in. any_query: for all
    others; zero as long as nothing was asked.
    """

    documents: Mapping[str, Vector]
    queries: Mapping[str, Vector]
    any_query: Vector

    def of_query(self, tag: str) -> Vector:
        """Return what is taken off a query in a language, or in its base language."""
        return _of_language(self.queries, tag, self.any_query)

    def moved_queries(self, queries: Vectors, tags: Sequence[str]) -> Vectors:
        """Return queries without what is common to those of their language; unit rows."""
        return _without(queries, _by_row(tags, self.of_query))

    def moved_documents(self, vectors: Vectors, tags: Sequence[str]) -> Vectors:
        """Return documents without what is common to their language; unit rows."""
        zero = np.zeros_like(self.any_query)
        return _without(vectors, _by_row(tags, lambda tag: _of_language(self.documents, tag, zero)))


def centres(statistics: Statistics) -> Centres:
    """Return what the statistics say is common to a language, as far as it can be trusted.

    What all documents have in common is taken off them only as far as the same can be done for
    the queries: one without the other would tear the two apart.
    """
    zero = np.zeros(statistics.dimension, dtype=np.float32)
    query_count = sum(asked.count for asked in statistics.asked.values())
    query_mean = zero
    if query_count:
        totals = np.array([asked.total for asked in statistics.asked.values()], dtype=np.float32)
        query_mean = totals.sum(axis=0) / np.float32(query_count)
    trusted = shrinkage(query_mean, query_count, 1.0 - float(query_mean @ query_mean))
    any_query = trusted * query_mean
    queries = {
        tag: any_query
        + _shrunk(asked.total / np.float32(asked.count) - query_mean, asked.count, 1.0)
        for tag, asked in statistics.asked.items()
        if tag != UNDETERMINED and asked.count
    }

    counts = {tag: len(sample.rows) for tag, sample in statistics.samples.items()}
    means = {tag: s.vectors.mean(axis=0) for tag, s in statistics.samples.items()}
    if not means:
        return Centres({}, queries, any_query)
    overall: Vector = np.average(
        list(means.values()), axis=0, weights=list(counts.values())
    ).astype(np.float32)
    spread = max(0.0, 1.0 - float(overall @ overall))
    documents = {
        tag: (trusted * overall + _shrunk(mean - overall, counts[tag], spread)).astype(np.float32)
        for tag, mean in means.items()
    }
    return Centres(documents, queries, any_query.astype(np.float32))


def _shrunk(deviation: Vector, count: int, variance: float) -> Vector:
    return shrinkage(deviation, count, variance) * deviation


def _without(vectors: Vectors, taken: Vectors) -> Vectors:
    """Return what is left of vectors, unit rows; of one that is all taken, the vector itself."""
    left = vectors - taken
    gone = np.linalg.norm(left, axis=1) < _LEAST_LENGTH
    left[gone] = vectors[gone]
    return units(left)


def _by_row(tags: Sequence[str], vector_of: Callable[[str], Vector]) -> Vectors:
    """Return the vector of each row's tag; asked for once a tag."""
    known, rows = np.unique(np.array(tags, dtype=np.str_), return_inverse=True)
    return np.stack([vector_of(tag) for tag in known.tolist()])[rows]


def _of_language(known: Mapping[str, Vector], tag: str, otherwise: Vector) -> Vector:
    return known.get(tag, known.get(tag.partition("-")[0], otherwise))


# ---------------------------------------------------------------- language components


@dataclass(frozen=True, slots=True)
class Components:
    """For each language the direction that most of its documents share: LIR with one component."""

    directions: Mapping[str, Vector]

    def without(self, vectors: Vectors, tags: Sequence[str]) -> Vectors:
        """Return vectors without the direction of their language; unit rows."""
        if not self.directions:
            return vectors
        zero = np.zeros(vectors.shape[1], dtype=np.float32)
        taken = _by_row(tags, lambda tag: _of_language(self.directions, tag, zero))
        along = np.einsum("ij,ij->i", vectors, taken)
        return _without(vectors, along[:, None] * taken)


def components(statistics: Statistics) -> Components:
    """Return the first right singular vector of each language's sample."""
    return Components(
        {
            tag: np.linalg.svd(sample.vectors, full_matrices=False)[2][0]
            for tag, sample in statistics.samples.items()
        }
    )


# ---------------------------------------------------------------- hubs


def hubness(vectors: Vectors, sample: Vectors, k: int = TOP) -> NDArray[np.float32]:
    """Return the mean cosine of each vector with its k nearest of the sample; shape (n,).

    A vector's own copy in the sample does not count.
    """
    if not len(sample):
        return np.zeros(len(vectors), dtype=np.float32)
    near = vectors @ sample.T
    near[near > 1 - 1e-3] = -1  # the sample is kept in half precision
    k = min(k, len(sample))
    return np.partition(near, -k, axis=1)[:, -k:].mean(axis=1)


def csls(
    cosines: NDArray[np.float32],
    query_hubness: NDArray[np.float32],
    document_hubness: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return twice the cosine less both neighbourhoods' means; arrays broadcast."""
    return 2 * cosines - query_hubness - document_hubness


# ---------------------------------------------------------------- shares of languages


def top_means(
    scores: Mapping[str, NDArray[np.float32]], counts: Mapping[str, int]
) -> dict[str, float]:
    """Return how high the top scores of each language are, as deviations from their mean.

    scores: of one query, best first. counts: documents of each language; of one that has fewer
    documents fewer scores count, so that it is not expected to reach as many of the first. Few
    scores say little: a mean of k is trusted by (k - 1) / k.
    """
    most = max((counts.get(tag, 0) for tag in scores), default=0)
    tops: dict[str, float] = {}
    trust: dict[str, float] = {}
    for tag, values in scores.items():
        top = values[: max(1, round(TOP * counts.get(tag, 0) / max(1, most)))]
        tops[tag], trust[tag] = float(top.mean()), 1 - 1 / len(top)
    middle = float(np.mean(list(tops.values()))) if tops else 0.0
    return {tag: trust[tag] * (top - middle) for tag, top in tops.items()}


def fair_offsets(
    scores: NDArray[np.float32], shares: NDArray[np.float64], *, rounds: int = 100
) -> NDArray[np.float64]:
    """Return what to take off each language's scores for it to have its share of the first ten.

    scores: shape (queries, languages, at most ten), the best of each language; -inf where there
    are fewer. shares: of each language, sum 1. Found by repeated proportional fitting.
    """
    queries, languages, k = scores.shape
    within = [part[np.isfinite(part)] for part in scores.swapaxes(0, 1)]
    step = max((float(np.std(part)) for part in within if part.size), default=0.0) / 2
    offsets = np.zeros(languages)
    for number in range(rounds):
        flat = (scores - offsets[None, :, None]).reshape(queries, -1)
        width = min(TOP, flat.shape[1])
        best = np.argpartition(-flat, width - 1, axis=1)[:, :width]
        taken = np.isfinite(np.take_along_axis(flat, best, axis=1))
        held = np.bincount((best // k)[taken], minlength=languages) / max(1, int(taken.sum()))
        # Smaller steps towards the end, or it would swing around the shares.
        offsets += step / (1 + number / 10) * np.log((held + 0.01) / (shares + 0.01))
        offsets -= offsets.mean()
    return offsets


# ---------------------------------------------------------------- diversity


def diverse(scores: NDArray[np.float32], vectors: Vectors, k: int, diversity: float) -> list[int]:
    """Return k rows by maximal marginal relevance, best first.

    scores: shape (n,). vectors: shape (n, dimension), unit rows. diversity: 0 (by score alone)
    to 1 (as unlike those before as can be).
    """
    chosen: list[int] = []
    nearest_chosen = np.full(len(scores), -np.inf)
    open_ = np.ones(len(scores), dtype=np.bool_)
    for _ in range(min(k, len(scores))):
        repeated = nearest_chosen if chosen else np.zeros(len(scores))
        gain = (1 - diversity) * scores - diversity * repeated
        row = int(np.argmax(np.where(open_, gain, -np.inf)))
        chosen.append(row)
        open_[row] = False
        nearest_chosen = np.maximum(nearest_chosen, vectors @ vectors[row])
    return chosen
