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
    # Plain arithmetic over all that match: the judge's own search is judged by it too.
    matching = [*judge.scan(where, with_vectors=True)]
    documents = {document.id: document for batch in matching for document in batch.documents}
    vectors = [batch.vectors for batch in matching if batch.vectors is not None]
    rows = np.concatenate(vectors) if vectors else np.empty((0, judge.schema.dimension), "f4")
    everything = np.clip(queries @ rows.T, -1.0, 1.0)
    assert len(found) == len(queries)
    for hits, scores in zip(found, everything.tolist(), strict=True):
        assert_well_formed(hits)
        expected = dict(zip(documents, scores, strict=True))
        assert {hit.id for hit in hits} <= set(expected), "hits that do not match the filter"
        assert_same_documents([hit.document for hit in hits], [documents[hit.id] for hit in hits])
        assert len(hits) == min(k, len(expected))
        # The first compares hits with documents, the second with ranks; both together leave
        # open only the order of scores that are nearer than the tolerance.
        assert _far_apart((hit.score, expected[hit.id]) for hit in hits) == []
        ranking = sorted(scores, reverse=True)
        assert _far_apart(zip((hit.score for hit in hits), ranking, strict=False)) == []


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


def _far_apart(pairs: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(a, b) for a, b in pairs if abs(a - b) > TOLERANCE]
