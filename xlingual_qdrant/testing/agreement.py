"""What it means that a store agrees with the judge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import Document, Hit, metadata_json
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import StoredCollection, Vectors

TOLERANCE = 1e-5
"""Scores nearer than this are equal: stores add up in different orders."""


def assert_same_documents(
    found: Iterable[Document | None], expected: Iterable[Document | None]
) -> None:
    """Compare all fields, and in metadata the types: 1, 1.0 and true are three values."""
    assert [_exact(document) for document in found] == [_exact(doc) for doc in expected]


def assert_same_vectors(
    found: Iterable[NDArray[np.float32] | None], expected: Iterable[NDArray[np.float32] | None]
) -> None:
    """Compare vectors up to the rounding of one normalisation; None where there is none."""
    for one, other in zip(found, expected, strict=True):
        if one is None or other is None:
            assert one is other
        else:
            assert one.dtype == np.float32
            np.testing.assert_allclose(one, other, atol=1e-6)


def assert_agrees(
    collection: StoredCollection,
    judge: MemoryCollection,
    queries: Vectors,
    k: int,
    where: Filter | None = None,
    *,
    exact: bool = True,
) -> None:
    """Compare a search with the judge's: the same scores in order, each hit with its own."""
    found = collection.search(queries, k, where=where, exact=exact)
    everything = judge.search(queries, max(judge.count(), 1), where=where)
    assert len(found) == len(queries)
    for hits, ranking in zip(found, everything, strict=True):
        assert_well_formed(hits)
        expected = {hit.id: hit for hit in ranking}
        assert {hit.id for hit in hits} <= set(expected), "hits that do not match the filter"
        assert_same_documents(
            [hit.document for hit in hits], [expected[hit.id].document for hit in hits]
        )
        assert len(hits) == min(k, len(ranking))
        # The first compares hits with documents, the second with ranks; both together leave
        # open only the order of scores that are nearer than the tolerance.
        assert _far_apart((hit.score, expected[hit.id].score) for hit in hits) == []
        assert _far_apart(zip(_scores(hits), _scores(ranking), strict=False)) == []


def recall(found: Sequence[Sequence[Hit]], expected: Sequence[Sequence[Hit]]) -> float:
    """Return the share of the expected hits that were found; equals at the cut count."""
    right = 0
    for hits, nearest in zip(found, expected, strict=True):
        least = nearest[-1].score - TOLERANCE if nearest else 1.0
        right += sum(hit.score >= least for hit in hits[: len(nearest)])
    return right / max(1, sum(len(nearest) for nearest in expected))


def assert_well_formed(hits: Sequence[Hit]) -> None:
    """Check what holds for any answer: best first, equals by id, no id twice, cosines."""
    assert all(type(hit.score) is float for hit in hits)
    assert all(-1.0 <= hit.score <= 1.0 for hit in hits)
    assert [(hit.score, hit.id) for hit in hits] == sorted(
        ((hit.score, hit.id) for hit in hits), key=lambda pair: (-pair[0], pair[1])
    )
    assert len({hit.id for hit in hits}) == len(hits)


def _exact(document: Document | None) -> tuple[object, ...] | None:
    if document is None:
        return None
    return (
        document.id,
        document.text,
        document.lang,
        document.lang_source,
        document.lang_confidence,
        metadata_json(document.metadata),
    )


def _scores(hits: Sequence[Hit]) -> list[float]:
    return [hit.score for hit in hits]


def _far_apart(pairs: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(a, b) for a, b in pairs if abs(a - b) > TOLERANCE]
