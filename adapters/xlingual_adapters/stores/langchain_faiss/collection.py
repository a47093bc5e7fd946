"""One folder as a collection: read once into memory, exact, and never written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.stores.langchain_faiss.docstore import Leftovers, read_documents
from xlingual_adapters.stores.langchain_faiss.settings import LangchainFaissSettings
from xlingual_adapters.stores.langchain_faiss.vectors import StoredVectors
from xlingual_qdrant.documents import Document, Hit, JsonValue
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.foreign import ForeignCollection
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import ScanBatch, Vectors
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.vectors import unit_rows

_AT_ONCE = 10_000
"""Documents read between two looks at the vectors; bounds the copies that are held."""
_SAME_LENGTH = 1e-3
"""Lengths that differ by no larger share are taken for one; the order of hits is the same then."""
_UNKNOWN_SHOWN = 20

_log = logging.getLogger(__name__)


class LangchainFaissCollection(ForeignCollection):
    """What the folder held when it was opened. All reading is the in-memory store's."""

    def __init__(self, settings: LangchainFaissSettings, name: str) -> None:
        """Read the folder; raises ForeignName, UnreadableFile, CollectionDamaged."""
        super().__init__(name, str(settings.path.absolute()))
        self._settings = settings
        self._leftovers = Leftovers()
        self._shortest, self._longest = np.inf, 0.0
        vectors = StoredVectors(index_file(settings))
        schema = CollectionSchema(name=name, dimension=vectors.dimension)
        self._memory = MemoryCollection(schema)
        self._index, self._is_exact = vectors.kind, vectors.exact
        self._fill(vectors)
        self._memory.compact()
        self._tell()

    @property
    def schema(self) -> CollectionSchema:
        """The dimension of the index; which embedder made it, the folder does not say."""
        return self._memory.schema

    def fetch(self, ids: Sequence[str]) -> list[Document | None]:
        """Return the documents in the order of the ids."""
        return self._memory.fetch(ids)

    def fetch_vectors(self, ids: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """Return the vectors, of length 1, in the order of the ids."""
        return self._memory.fetch_vectors(ids)

    def count(self, where: Filter | None = None) -> int:
        """Return the number of documents that match."""
        return self._memory.count(where)

    def count_by_language(self, where: Filter | None = None) -> dict[str, int]:
        """Return the number of documents per tag."""
        return self._memory.count_by_language(where)

    def scan(
        self,
        where: Filter | None = None,
        *,
        with_vectors: bool = False,
        batch: int = 1000,
        after: str | None = None,
    ) -> Iterator[ScanBatch]:
        """Yield the documents that match, ordered by id."""
        return self._memory.scan(where, with_vectors=with_vectors, batch=batch, after=after)

    def search(
        self, queries: Vectors, k: int, *, where: Filter | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """Return the k nearest by cosine; always exact, whatever index the folder has."""
        return self._memory.search(queries, k, where=where, exact=exact)

    def content_hashes(self, ids: Sequence[str]) -> list[bytes | None]:
        """Return the content hashes in the order of the ids."""
        return self._memory.content_hashes(ids)

    def describe(self) -> dict[str, JsonValue]:
        """Return the folder, its index, and what was left out or changed on the way in."""
        facts: dict[str, JsonValue] = {
            "path": self._where,
            "index": self._index,
            "vectors": "exact" if self._is_exact else "approximate",
            "left_out": dict(sorted(self._leftovers.reasons.items())),
            "changed": dict(sorted(self._leftovers.changed.items())),
        }
        if self._longest:
            facts["lengths"] = [round(float(self._shortest), 4), round(float(self._longest), 4)]
        if unknown := self._leftovers.unknown_languages:
            facts["unknown_languages"] = dict(unknown.most_common(_UNKNOWN_SHOWN))
        return facts

    def close(self) -> None:
        """Let go of what was read."""
        self._memory = MemoryCollection(self._memory.schema)

    def _fill(self, vectors: StoredVectors) -> None:
        found = read_documents(
            docstore_file(self._settings),
            self._settings.lang_field,
            vectors.positions,
            self._leftovers,
        )
        while part := list(islice(found, _AT_ONCE)):
            rows = vectors.at([position for position, _ in part])
            lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
            good = np.isfinite(lengths) & (lengths > 0)
            for at in np.flatnonzero(~good):
                self._leftovers.leave_out("vector is zero or not finite", part[at][1].id)
            if not good.any():
                continue
            self._shortest = min(self._shortest, lengths[good].min())
            self._longest = max(self._longest, lengths[good].max())
            documents = [document for (_, document), kept in zip(part, good, strict=True) if kept]
            self._memory.write(documents, unit_rows(rows[good], vectors.dimension))

    def _tell(self) -> None:
        """Log what is not as it was, once."""
        place, leftovers = self._settings.path.absolute(), self._leftovers
        for reason, count in sorted(leftovers.reasons.items()):
            examples = ", ".join(map(repr, leftovers.examples[reason]))
            _log.warning("%s: %d left out (%s), such as %s", place, count, reason, examples)
        if leftovers.changed:
            changed = ", ".join(f"{count} {what}" for what, count in leftovers.changed.items())
            _log.warning("%s: metadata that JSON cannot hold was changed: %s", place, changed)
        if leftovers.unknown_languages:
            shown = ", ".join(repr(tag) for tag, _ in leftovers.unknown_languages.most_common(5))
            _log.warning("%s: these are no language tags, so `und` is kept: %s", place, shown)
        if not self._is_exact:
            _log.warning("%s: %s keeps only approximations of its vectors", place, self._index)
        if self._longest > self._shortest * (1 + _SAME_LENGTH):
            _log.warning(
                "%s: vectors have lengths from %.3g to %.3g and are brought to length 1, so hits"
                " may come in another order than before",
                place,
                self._shortest,
                self._longest,
            )


def index_file(settings: LangchainFaissSettings) -> Path:
    """Return where the vectors are."""
    return settings.path / f"{settings.index_name}.faiss"


def docstore_file(settings: LangchainFaissSettings) -> Path:
    """Return where the documents are."""
    return settings.path / f"{settings.index_name}.pkl"
