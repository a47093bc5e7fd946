"""Topics of a collection, across its languages: which there are, how large, who speaks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant import chunks
from xlingual_qdrant.asking import Langs, checked_count
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.queries.corpus import Corpus, corpus_of_collection
from xlingual_qdrant.queries.neighbours import OnProgress
from xlingual_qdrant.queries.topics.grouping import topics_of, without_language

_UNUSUAL = 3.0  # standard deviations of chance that a language's share lies outside of
_TIMES = 1.5  # and its share is so many times larger or smaller than usual
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that speak of the same.

    number: from 1, the largest first. medoid: the document nearest to the middle; examples: the
    next ones, of as many languages as there are. languages: how many documents per tag, most
    first. unusual: for languages whose share differs from that in all documents by more than
    chance, how many times as large it is. cohesion: the mean cosine of its documents with its
    middle, without what languages have in common, -1 to 1. ids: its documents, the nearest to
    the middle first.
    """

    number: int
    size: int
    cohesion: float
    medoid: Document
    examples: list[Document]
    languages: dict[str, int]
    unusual: dict[str, float]
    ids: list[str]

    def to_json(self) -> dict[str, JsonValue]:
        """Return all but the ids as a JSON object."""
        return {
            "number": self.number,
            "size": self.size,
            "cohesion": round(self.cohesion, 4),
            "languages": dict(self.languages),
            "unusual": {tag: round(times, 2) for tag, times in self.unusual.items()},
            "medoid": _shown(self.medoid),
            "examples": [_shown(document) for document in self.examples],
        }


def cluster(
    collection: Collection,
    *,
    count: int | None = None,
    langs: Langs | None = None,
    where: Filter | str | None = None,
    examples: int = 3,
    outliers: bool = True,
    min_size: int = 2,
    seed: int = 0,
) -> list[Cluster]:
    """Group documents by topic and not by language, the largest group first.

    count: how many groups; None: as many as the silhouettes of a sample speak for, see
    docs/clusters.md. langs, where: which documents. examples: documents shown of each group
    beside the medoid. outliers: leave out documents that are much less like their group than is
    usual. min_size: smaller groups are left out, too; hence there may be fewer than `count`.

    Vectors are those of the collection; nothing is embedded, and nothing is written. The same
    documents give the same groups on every store, in whatever order they were written.
    """
    if count is not None:
        checked_count("count", count)
    checked_count("min_size", min_size)
    if examples < 0:
        raise UsageError(f"examples is {examples}; give 0 or more")
    corpus = _by_id(corpus_of_collection(collection, langs=langs, where=where))
    if not len(corpus):
        return []
    if count is not None and count > len(corpus):
        raise UsageError(
            f"count is {count}, but only {len(corpus)} documents match; give a smaller number"
        )
    points = without_language(corpus.vectors, corpus.langs)
    topics = topics_of(points, count, outliers=outliers, seed=seed)
    usual = _counts(corpus.langs)
    groups = [np.flatnonzero(topics.labels == label) for label in range(len(topics.centres))]
    groups = [rows for rows in groups if len(rows) >= min_size]
    groups.sort(key=lambda rows: (-len(rows), int(rows[0])))
    found: list[Cluster] = []
    for rows in groups:
        nearest = rows[np.argsort(-topics.similarity[rows], kind="stable")]
        shown = [int(nearest[0]), *_of_many_languages(nearest, corpus.langs, examples)]
        medoid, *others = corpus.read(shown)
        languages = _counts(corpus.langs[rows])
        found.append(
            Cluster(
                number=len(found) + 1,
                size=len(rows),
                cohesion=float(topics.similarity[rows].mean()),
                medoid=medoid,
                examples=others,
                languages=languages,
                unusual=unusual_shares(languages, usual),
                ids=[corpus.ids[row] for row in nearest.tolist()],
            )
        )
    return found


def _by_id(corpus: Corpus) -> Corpus:
    """Return the rows ordered by id: the order of a scan is that of the store."""
    order = sorted(range(len(corpus)), key=corpus.ids.__getitem__)
    read = corpus.read
    return Corpus(
        [corpus.ids[row] for row in order],
        corpus.langs[order],
        corpus.vectors[order],
        lambda rows: read([order[row] for row in rows]),
    )


def apply_clusters(
    collection: Collection,
    clusters: Sequence[Cluster],
    field: str,
    *,
    on_progress: OnProgress | None = None,
) -> int:
    """Write the number of each cluster into a metadata field of its documents; return how many.

    Documents of no cluster are not touched. Vectors stay what they are, but for documents that
    are stored in parts, which are embedded again. Raises UsageError if the collection declares
    the field with a type other than integer.
    """
    check_field(collection, field)
    numbers = {id: each.number for each in clusters for id in each.ids}
    ids = list(numbers)
    in_parts = chunks.has_chunks(collection.stored)
    written = 0
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        there = zip(collection.get_many(some), collection.stored.fetch_vectors(some), strict=True)
        rows = [(doc, vector) for doc, vector in there if doc is not None and vector is not None]
        documents = [
            replace(doc, metadata={**doc.metadata, field: numbers[doc.id]}) for doc, _ in rows
        ]
        if documents:
            collection.add(
                documents,
                vectors=None if in_parts else [vector for _, vector in rows],
                long_texts="chunk" if in_parts else None,
            )
        written += len(documents)
        if on_progress is not None:
            on_progress(min(start + _AT_ONCE, len(ids)), len(ids))
    return written


def check_field(collection: Collection, field: str) -> None:
    """Raise UsageError if numbers of clusters cannot be written to a metadata field."""
    declared = collection.schema.fields.get(field)
    if declared not in (None, "integer"):
        raise UsageError(
            f"the field {field!r} is declared as {declared}, and numbers of clusters are"
            " integers; name another field"
        )


def unusual_shares(languages: dict[str, int], usual: dict[str, int]) -> dict[str, float]:
    """Return how many times its usual share a language has here, where that is hardly chance.

    languages: documents of a group by tag; usual: of all. The most unusual comes first.
    """
    size, total = sum(languages.values()), sum(usual.values())
    found: dict[str, float] = {}
    for tag, all_of_it in usual.items():
        share = all_of_it / total
        expected = size * share
        chance = (expected * (1 - share)) ** 0.5
        here = languages.get(tag, 0)
        times = here / expected
        if abs(here - expected) > _UNUSUAL * chance > 0 and not 1 / _TIMES < times < _TIMES:
            found[tag] = times
    return dict(sorted(found.items(), key=lambda item: -abs(np.log(max(item[1], 1e-3)))))


def _of_many_languages(
    nearest: NDArray[np.int64], langs: NDArray[np.str_], count: int
) -> list[int]:
    """Return rows behind the first: the nearest of each other language, then of all."""
    seen = {str(langs[nearest[0]])}
    first: list[int] = []
    later: list[int] = []
    for row in nearest[1:].tolist():
        if len(first) == count:
            break
        tag = str(langs[row])
        (later if tag in seen else first).append(row)
        seen.add(tag)
    return [*first, *later][:count]


def _counts(langs: NDArray[np.str_]) -> dict[str, int]:
    tags, counts = np.unique(langs, return_counts=True)
    pairs = zip(tags.tolist(), counts.tolist(), strict=True)
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _shown(document: Document) -> dict[str, JsonValue]:
    return {"id": document.id, "lang": document.lang, "text": document.text}
