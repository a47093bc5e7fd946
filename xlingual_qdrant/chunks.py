"""Texts that are longer than the model reads: their parts, and the way back to the document.

A long document is stored whole, with the mean of its chunks' vectors; beside it, each chunk is
a row of its own, with the document's language and metadata, so that filters see it the same
way, and with `CHUNK_OF` and its place in the text. Only a `Collection` knows of them: whoever
counts, reads or deletes documents never meets a chunk, and a hit on one is a hit of its document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.dividing import Fits, Span, spans
from xlingual_qdrant.documents import Chunk, Document, Hit, JsonValue, document_id
from xlingual_qdrant.filters import And, F, Filter, HasId, IsIn, Not, Or
from xlingual_qdrant.ports import StoredCollection, Vectors

CHUNK_OF = "_chunk_of"
"""The metadata key of chunks, which documents must not have: the id of the document."""
CHUNK_SPAN = "_chunk_span"
"""The metadata key of a chunk's place: the first character, and the one behind the last."""

IS_DOCUMENT: Filter = F(CHUNK_OF).is_missing()

STATE = "chunks"
"""Kept with a collection from its first chunk on."""

_PREFIX = "chunk:"
_NUMBERS_AT_ONCE = 16


# ---------------------------------------------------------------- writing


@dataclass(frozen=True, slots=True)
class Chunked:
    """Documents of which some are long, and the chunks of those."""

    documents: list[Document]
    chunks: list[Document]
    owners: list[int]
    """The position of each chunk's document."""

    @property
    def texts(self) -> list[str]:
        """What is to be embedded: the documents that are not long, then the chunks."""
        long = set(self.owners)
        short = [doc.text for row, doc in enumerate(self.documents) if row not in long]
        return short + [chunk.text for chunk in self.chunks]

    def vectors(self, embedded: Vectors) -> Vectors:
        """Return the vectors of the documents, then of the chunks, from those of `texts`.

        A long document has the mean of its chunks, of length 1.
        """
        count = len(self.documents)
        owners = np.array(self.owners, dtype=np.intp)
        made = np.zeros((count + len(self.chunks), embedded.shape[1]), dtype=np.float32)
        made[count:] = embedded[len(embedded) - len(self.chunks) :]
        np.add.at(made, owners, made[count:])
        short = np.setdiff1d(np.arange(count), owners)
        made[short] = embedded[: len(short)]
        lengths = np.linalg.norm(made[:count], axis=1, keepdims=True)
        # Chunks that cancel each other out leave the first one to stand for the document.
        firsts = {owner: row for row, owner in reversed(list(enumerate(self.owners)))}
        for row in np.flatnonzero(lengths[:, 0] < 1e-6).tolist():
            made[row] = made[count + firsts[row]]
            lengths[row] = 1
        made[:count] /= lengths
        return made


def chunked(documents: Sequence[Document], long: NDArray[np.bool_], fits: Fits) -> Chunked:
    """Return the documents with the chunks of those that are marked as long."""
    rows: list[int] = np.flatnonzero(long).tolist()
    chunks: list[Document] = []
    owners: list[int] = []
    for row, parts in zip(rows, spans([documents[row].text for row in rows], fits), strict=True):
        for number, (first, last) in enumerate(parts):
            chunks.append(_chunk(documents[row], number, (first, last)))
            owners.append(row)
    return Chunked(list(documents), chunks, owners)


def _chunk(document: Document, number: int, span: Span) -> Document:
    first, last = span
    place: dict[str, JsonValue] = {CHUNK_OF: document.id, CHUNK_SPAN: [first, last]}
    return replace(
        document,
        id=_chunk_id(document.id, number),
        text=document.text[first:last],
        metadata={**document.metadata, **place},
    )


def _chunk_id(document: str, number: int) -> str:
    return f"{_PREFIX}{document_id(str(number), document)}"


def chunk_ids(stored: StoredCollection, ids: Iterable[str]) -> list[str]:
    """Return the ids of all chunks that these documents have there."""
    found: list[str] = []
    pending, first = list(ids), 0
    while pending:
        numbers = range(first, first + _NUMBERS_AT_ONCE)
        asked = [_chunk_id(id, number) for id in pending for number in numbers]
        there = np.array([known is not None for known in stored.content_hashes(asked)])
        found += [id for id, known in zip(asked, there.tolist(), strict=True) if known]
        # Numbers have no gaps: a document whose last one is there may have more.
        last: list[bool] = there.reshape(len(pending), -1)[:, -1].tolist()
        pending = [id for id, more in zip(pending, last, strict=True) if more]
        first += _NUMBERS_AT_ONCE
    return found


def delete(stored: StoredCollection, ids: Sequence[str]) -> int:
    """Delete documents with their chunks; return how many documents there were."""
    named = [id for id in ids if id.startswith(_PREFIX)]
    hidden = {part.id for part in stored.fetch(named) if part is not None and is_chunk(part)}
    ids = [id for id in ids if id not in hidden]
    parts = chunk_ids(stored, ids)
    # The documents first: a chunk without its document is no hit any more.
    deleted = stored.delete(ids)
    stored.delete(parts)
    return deleted


# ---------------------------------------------------------------- reading


def has_chunks(stored: StoredCollection) -> bool:
    """Say whether any document was ever divided here."""
    return stored.read_state(STATE) is not None


def only_documents(stored: StoredCollection) -> Filter | None:
    """Return a condition that all documents meet and no chunk does; None without any chunks."""
    return IS_DOCUMENT if has_chunks(stored) else None


def with_parts(condition: Filter) -> Filter:
    """Return a filter that treats a chunk as having the id of its document, too."""
    match condition:
        case HasId(ids):
            return condition | IsIn(CHUNK_OF, ids)
        case Not(part):
            return Not(with_parts(part))
        case And(parts):
            return And(tuple(with_parts(part) for part in parts))
        case Or(parts):
            return Or(tuple(with_parts(part) for part in parts))
        case _:
            return condition


def is_chunk(document: Document) -> bool:
    """Say whether a stored row is a part of a document."""
    return CHUNK_OF in document.metadata


def nearest_documents(
    stored: StoredCollection,
    queries: Vectors,
    k: int,
    *,
    where: Filter | None = None,
    exact: bool = False,
) -> list[list[Hit]]:
    """Return for each query the k nearest documents; a document is as near as its nearest row.

    Rows are asked for until there are k documents, or no more rows. A document that is nearer as
    a whole than by its parts may come without a chunk.
    """
    found: list[list[Hit]] = [[] for _ in queries]
    pending, asked = list(range(len(queries))), k
    while pending:
        rows = stored.search(queries[pending], asked, where=where, exact=exact)
        for number, hits in zip(pending, of_documents(stored, rows), strict=True):
            found[number] = hits[:k]
        pending = [
            number
            for number, hits in zip(pending, rows, strict=True)
            if len(hits) == asked and len(found[number]) < k
        ]
        asked *= 4
    return found


def with_nearest_parts(
    stored: StoredCollection, queries: Vectors, found: list[list[Hit]]
) -> list[list[Hit]]:
    """Return the hits of each query; those of divided documents have their nearest chunk."""
    whole = {hit.id for hits in found for hit in hits if hit.chunk is None}
    ids = chunk_ids(stored, whole)
    if not ids:
        return found
    parts: dict[str, list[tuple[Document, Vectors]]] = {}
    for part, vector in zip(stored.fetch(ids), stored.fetch_vectors(ids), strict=True):
        if part is not None and vector is not None:
            parts.setdefault(_owner(part), []).append((part, vector))

    def named(hit: Hit, query: Vectors) -> Hit:
        if hit.chunk is not None or hit.id not in parts:
            return hit
        there = [pair for pair in parts[hit.id] if _is_part_of(pair[0], hit.document)]
        if not there:
            return hit
        nearest, _ = max(there, key=lambda pair: float(pair[1] @ query))
        return replace(hit, chunk=_place(nearest))

    return [[named(hit, query) for hit in hits] for hits, query in zip(found, queries, strict=True)]


def of_documents(stored: StoredCollection, rows: list[list[Hit]]) -> Iterator[list[Hit]]:
    """Yield hits with each chunk replaced by its document, each document once."""
    ids = list({_owner(hit.document) for hits in rows for hit in hits if is_chunk(hit.document)})
    if not ids:
        yield from rows
        return
    owners = dict(zip(ids, stored.fetch(ids), strict=True))
    for hits in rows:
        best: dict[str, Hit] = {}
        for hit in hits:
            made = _hit_of_document(hit, owners) if is_chunk(hit.document) else hit
            if made is None:
                continue
            known = best.get(made.id)
            if known is None:
                best[made.id] = made
            elif known.chunk is None and made.chunk is not None:
                best[made.id] = replace(known, chunk=made.chunk)
        yield list(best.values())


def _hit_of_document(hit: Hit, owners: dict[str, Document | None]) -> Hit | None:
    document = owners[_owner(hit.document)]
    # One that was deleted or updated a moment ago, or by a program that was interrupted then.
    if document is None or not _is_part_of(hit.document, document):
        return None
    return replace(hit, document=document, chunk=_place(hit.document))


def _owner(part: Document) -> str:
    return cast(str, part.metadata[CHUNK_OF])


def _place(part: Document) -> Chunk:
    first, last = cast("list[Any]", part.metadata[CHUNK_SPAN])
    return Chunk(part.text, int(first), int(last))


def _is_part_of(part: Document, document: Document) -> bool:
    """Say whether a chunk is one of the text that the document has now."""
    place = _place(part)
    return document.text[place.start : place.end] == place.text
