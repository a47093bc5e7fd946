"""Questions to pools of texts, ranked by plain cosine or by a collection as people search it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.evaluation.ranking import (
    Order,
    Relevant,
    all_within,
    average_precision,
    own_share,
    places,
    ranked,
    recall,
    reciprocal_rank,
)
from xlingual_qdrant.queries.evaluation.searches import SearchOptions
from xlingual_qdrant.queries.evaluation.tables import Figures

OpenPool: TypeAlias = Callable[[str], AbstractContextManager[Collection]]
"""Opens an empty collection for the pool of this name; it is filled, asked and closed."""

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Texts:
    """Questions or a pool: texts, their languages, their vectors (unit rows), in one order."""

    texts: Sequence[str]
    langs: NDArray[np.str_]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Sequence[int]) -> Texts:
        """Return some of them."""
        chosen = np.array(rows, dtype=np.int64)
        texts = [self.texts[row] for row in rows]
        return Texts(texts, self.langs[chosen], self.vectors[chosen])


Ranker: TypeAlias = Callable[[Texts, Texts], Iterator[Order]]
"""Takes questions and a pool; yields the rankings of consecutive blocks of questions."""


def by_cosine(asked: Texts, pool: Texts) -> Iterator[Order]:
    """Rank the whole pool by cosine."""
    for start in range(0, len(asked), _BLOCK):
        yield ranked(asked.vectors[start : start + _BLOCK] @ pool.vectors.T)


def fill(collection: Collection, pool: Texts) -> None:
    """Write a pool to a collection; ids are the numbers of the rows."""
    documents = (
        Document(text, str(row), str(lang))
        for row, (text, lang) in enumerate(zip(pool.texts, pool.langs, strict=True))
    )
    collection.add(documents, vectors=list(pool.vectors))


def by_search(collection: Collection, options: SearchOptions) -> Ranker:
    """Return what ranks the pool that a collection was filled with, by searching there."""

    def rank(asked: Texts, pool: Texts) -> Iterator[Order]:
        for start in range(0, len(asked), _BLOCK):
            part = slice(start, start + _BLOCK)
            chosen: dict[str, Any] = {"lang": asked.langs[part].tolist(), **options}
            found = collection.search_many(asked.texts[part], k=len(pool), **chosen)
            order = np.full((len(found), len(pool)), -1, dtype=np.int64)
            for row, hits in enumerate(found):
                order[row, : len(hits)] = [int(hit.id) for hit in hits]
            yield order

    return rank


def judged_mixed(asked: Texts, pool: Texts, relevant: Relevant, rank: Ranker) -> Figures:
    """Return figures where each question has relevant texts in several languages."""
    count = len(np.unique(pool.langs))
    precision: list[NDArray[np.float64]] = []
    own: list[NDArray[np.float64]] = []
    covered: list[NDArray[np.bool_]] = []
    for rows, order in _blocks(rank(asked, pool)):
        found, counts = places(order, relevant[rows]), (relevant[rows] >= 0).sum(axis=1)
        precision.append(average_precision(found, counts))
        own.append(own_share(order, pool.langs, asked.langs[rows]))
        covered.append(all_within(found, counts, 2 * count))
    return {
        "mAP": _mean(precision),
        "own_share": _mean(own),
        "fair_share": 1 / count,
        "coverage_2L": _mean(covered),
    }


def judged_scattered(asked: Texts, pool: Texts, wanted: NDArray[np.int64], rank: Ranker) -> Figures:
    """Return figures where each question has one relevant row of the pool: `wanted`."""
    own: list[NDArray[np.float64]] = []
    ranks: list[NDArray[np.float64]] = []
    hits: list[NDArray[np.float64]] = []
    one = np.ones(1, dtype=np.int64)
    for rows, order in _blocks(rank(asked, pool)):
        found = places(order, wanted[rows, None])
        ranks.append(reciprocal_rank(found))
        hits.append(recall(found, one, 5))
        own.append(own_share(order, pool.langs, asked.langs[rows]))
    same = pool.langs[wanted] == asked.langs
    reciprocal = np.concatenate(ranks)
    return {
        "MRR": float(reciprocal.mean()),
        "R@5": _mean(hits),
        "MRR_same": _mean([reciprocal[same]]),
        "MRR_cross": _mean([reciprocal[~same]]),
        "own_share": _mean(own),
        "fair_share": 1 / len(np.unique(pool.langs)),
    }


def _blocks(orders: Iterator[Order]) -> Iterator[tuple[slice, Order]]:
    start = 0
    for order in orders:
        yield slice(start, start + len(order)), order
        start += len(order)


def _mean(parts: Sequence[NDArray[Any]]) -> float:
    values = np.concatenate(parts)
    return float(values.mean()) if len(values) else 0.0
