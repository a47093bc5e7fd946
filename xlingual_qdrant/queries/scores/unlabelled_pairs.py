"""Cuts for the languages of a collection from its own documents, without any labels.

Each of some documents is asked for its nearest in the other language, which may be the same text,
and for one behind, which is hardly ever: the second, or within a language, where copies come in
groups, the fourth. What tells the two apart is the cut.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import ANY, MEASURES, SAME, Cut, Measure, pair_key
from xlingual_qdrant.chunks import only_documents
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Hit
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import combine, language_filter
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.margins import ratio_margins
from xlingual_qdrant.queries.neighbours import OnProgress
from xlingual_qdrant.queries.scores.partners import K
from xlingual_qdrant.queries.scores.unlabelled import cut_from_candidates

LEAST_TEXTS = 100
"""Documents of a language, below which it gets no cut of its own."""
ASKED = 300
"""Documents of a language that are asked for their nearest."""
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Documents:
    """Some documents of a language: ids, and vectors of shape (len(ids), dimension)."""

    ids: list[str]
    vectors: Vectors


@dataclass(slots=True)
class _Found:
    """Scores of documents with their nearest, and with one behind it."""

    nearest: list[NDArray[np.float32]]
    behind: list[NDArray[np.float32]]

    def cut(self) -> Cut:
        return cut_from_candidates(np.concatenate(self.nearest), np.concatenate(self.behind))


def learn_unlabelled(
    collection: Collection, *, on_progress: OnProgress | None = None
) -> dict[Measure, dict[str, Cut]]:
    """Learn a cut for each two languages that have enough documents, and one for all others.

    Raises UsageError if no language has enough.
    """
    counts: dict[str, int] = defaultdict(int)
    for tag, count in collection.languages().items():
        counts[tag.partition("-")[0]] += count
    langs = sorted(
        lang for lang, count in counts.items() if count >= LEAST_TEXTS and lang != UNDETERMINED
    )
    if not langs:
        raise UsageError(
            f"no language of collection '{collection.name}' has {LEAST_TEXTS} documents, which"
            " are too few to learn from without labels; give pairs of texts"
        )
    some = {lang: _some_documents(collection, lang) for lang in langs}
    asking = _Asking(collection)
    found: dict[Measure, dict[str, _Found]] = {
        measure: defaultdict(lambda: _Found([], [])) for measure in MEASURES
    }
    pairs = list(combinations_with_replacement(langs, 2))
    for done, (one, other) in enumerate(pairs, 1):
        kind = SAME if one == other else ANY
        ways = [(one, other)] if one == other else [(one, other), (other, one)]
        for asker, asked in ways:
            for measure, nearest, behind in asking.scores(some[asker], asker, asked):
                for key in (pair_key(one, other), kind):
                    found[measure][key].nearest.append(nearest)
                    found[measure][key].behind.append(behind)
        if on_progress is not None:
            on_progress(done, len(pairs))
    return {
        measure: {key: each.cut() for key, each in cuts.items()} for measure, cuts in found.items()
    }


def _some_documents(collection: Collection, lang: str) -> _Documents:
    """Return documents of a language, chosen by their ids alone: the same ones in every store."""
    found = (doc.id for batch in collection.batches(langs=lang) for doc in batch.documents)
    ids = nsmallest(ASKED, found, key=_place)
    vectors = collection.stored.fetch_vectors(ids)
    there = [(id, vector) for id, vector in zip(ids, vectors, strict=True) if vector is not None]
    return _Documents([id for id, _ in there], np.array([vector for _, vector in there]))


def _place(id: str) -> bytes:
    return blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class _Asking:
    """Finds neighbours through the store, whatever its size."""

    def __init__(self, collection: Collection) -> None:
        self._stored = collection.stored
        self._documents_only = only_documents(collection.stored)

    def scores(
        self, documents: _Documents, lang: str, other: str
    ) -> list[tuple[Measure, NDArray[np.float32], NDArray[np.float32]]]:
        """Return for each measure the scores with the nearest and with one behind it."""
        hits = self._others(documents.ids, documents.vectors, other)
        behind = K - 1 if lang == other else 1
        there = [row for row, each in enumerate(hits) if len(each) > behind]
        if not there:
            return []
        near = _means([hits[row] for row in there])
        cosines: list[NDArray[np.float32]] = []
        margins: list[NDArray[np.float32]] = []
        for rank in (0, behind):
            partners = [hits[row][rank] for row in there]
            scores = np.array([hit.score for hit in partners], dtype=np.float32)
            ids = [hit.id for hit in partners]
            back = _means(self._others(ids, self._vectors(ids), lang))
            cosines.append(scores)
            margins.append(ratio_margins(scores, near, back))
        return [("cosine", cosines[0], cosines[1]), ("margin", margins[0], margins[1])]

    def _vectors(self, ids: list[str]) -> Vectors:
        found = self._stored.fetch_vectors(ids)
        nothing = np.zeros(self._stored.schema.dimension, dtype=np.float32)
        # One that was deleted meanwhile is near to nothing.
        return np.array([nothing if each is None else each for each in found], dtype=np.float32)

    def _others(self, ids: list[str], vectors: Vectors, lang: str) -> list[list[Hit]]:
        """Return the nearest documents of a language, without the document itself."""
        where = combine(language_filter((lang,), ()), self._documents_only)
        found: list[list[Hit]] = []
        for start in range(0, len(ids), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            hits = self._stored.search(vectors[part], K + 1, where=where, exact=True)
            found += [
                [hit for hit in each if hit.id != id][:K]
                for id, each in zip(ids[part], hits, strict=True)
            ]
        return found


def _means(hits: list[list[Hit]]) -> NDArray[np.float32]:
    return np.array(
        [np.mean([hit.score for hit in each]) if each else 0.0 for each in hits], dtype=np.float32
    )
