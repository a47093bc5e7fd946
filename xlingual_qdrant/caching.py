"""An embedder that remembers: no text is embedded twice by the same model.

A vector is kept under its model's fingerprint and the hash of role and text, bit for bit as it
was computed. The cache is never needed: where it cannot be written, texts are embedded without
it, and a warning says so once.
"""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from xlingual_qdrant.cache_database import PATIENCE_S
from xlingual_qdrant.errors import CacheUnused, InvalidVectors
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.schema import EmbedderFingerprint
from xlingual_qdrant.validation import check_texts
from xlingual_qdrant.vector_cache import KEY_BYTES, NO_ENTRY, NO_FLAG, VectorCache

Role: TypeAlias = Literal["query", "document"]

MAX_BYTES = 1024 << 20
LAST_DIGIT = 1.5e-4
"""Probe vectors are rounded to 4 decimals: two runs of a model may round one up and one down."""
ROUNDED_OTHERWISE = 0.02
"""Share of the numbers to which that happens, at most. Another precision changes half of them."""
UNIT_TOLERANCE = 1e-3
QUERY_PATIENCE_S = 0.2
"""A search does not wait longer for another process that is writing; an ingestion has time."""
_FLAGS_HELD = 100_000


@dataclass(slots=True)
class Tally:
    """Texts that came with a vector from a cache, and texts that the model had to embed."""

    cached: int = 0
    computed: int = 0


_tally: ContextVar[Tally | None] = ContextVar("_tally", default=None)


@contextmanager
def tallied() -> Generator[Tally]:
    """Count what the caches answer to this thread meanwhile."""
    tally = Tally()
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)


def _count(*, cached: int, computed: int) -> None:
    tally = _tally.get()
    if tally is not None:
        tally.cached += cached
        tally.computed += computed


class CachedEmbedder:
    """Any embedder, with a cache of its vectors in a file; safe to use from several threads.

    embedder: is asked only for what the file does not hold, in one call for all of a call.
    path: an SQLite file, made if it is missing; others may use it at the same time, also with
    other embedders. max_bytes: of the file; above it the vectors that were not used for the
    longest time go.

    Raises UnreadableFile if the file is damaged or something else, FormatTooNew. Warns
    (CacheUnused), once for each, if the file cannot be read or written, and goes on without.
    """

    def __init__(self, embedder: Embedder, path: Path | str, max_bytes: int = MAX_BYTES) -> None:
        self.embedder = embedder
        self.path = Path(path)
        self._cache: VectorCache | None = None
        self._writable = True
        self._warned: set[str] = set()
        self._flags: dict[bytes, bool] = {}
        self._lock = Lock()
        with self._faults_in("opened"):
            self._cache = VectorCache(self.path, max_bytes)

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """That of the embedder: its vectors are the same, cached or not."""
        return self.embedder.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.embedder.dimension

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of a text; None: all of it."""
        return self.embedder.max_tokens

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows."""
        return self._embed("document", texts, self.embedder.embed_documents)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows."""
        return self._embed("query", texts, self.embedder.embed_queries)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether the model reads only its beginning; shape (len(texts),).

        That is kept with the vectors, so that known texts need not be tokenised again.
        """
        keys = None if self.max_tokens is None else self._keys("document", texts)
        if not keys:
            return self.embedder.truncated(texts)
        flags = self._known_flags(keys)
        asked: dict[bytes, str] = {}
        for row in np.flatnonzero(flags < 0).tolist():
            held = self._flags.get(keys[row])
            if held is None:
                asked[keys[row]] = texts[row]
            else:
                flags[row] = held
        if asked:
            answers = dict(
                zip(asked, self.embedder.truncated(list(asked.values())).tolist(), strict=True)
            )
            rows = np.flatnonzero(flags < 0).tolist()
            present = {keys[row] for row in rows if flags[row] == NO_FLAG}
            flags[rows] = [answers[keys[row]] for row in rows]
            self._keep_flags(answers, present)
        return flags.astype(np.bool_)

    def close(self) -> None:
        """Close the file; the next call opens it again. It is closed at the latest with this."""
        if self._cache is not None:
            self._cache.close()

    def __repr__(self) -> str:
        return f"<CachedEmbedder of {self.embedder!r} in {self.path}>"

    # ------------------------------------------------------------ vectors

    def _embed(
        self, role: Role, texts: Sequence[str], embed: Callable[[Sequence[str]], Vectors]
    ) -> Vectors:
        check_texts(texts)
        keys = self._keys(role, texts)
        if not keys:
            _count(cached=0, computed=len(texts))
            return embed(texts)
        text_of = dict(zip(keys, texts, strict=True))
        distinct = list(text_of)
        found, vectors = self._found(distinct)
        missing = np.flatnonzero(~found).tolist()
        if missing:
            made = embed([text_of[distinct[row]] for row in missing])
            if made.shape != (len(missing), self.dimension):
                raise InvalidVectors(
                    f"the embedder returned shape {made.shape} for {len(missing)} texts,"
                    f" wanted ({len(missing)}, {self.dimension})"
                )
            vectors[missing] = made
            self._keep(role, [distinct[row] for row in missing], made)
        if len(distinct) < len(keys):
            row_of = {key: row for row, key in enumerate(distinct)}
            rows = [row_of[key] for key in keys]
            found, vectors = found[rows], vectors[rows]
        _count(cached=int(found.sum()), computed=int((~found).sum()))
        return vectors

    def _keys(self, role: Role, texts: Sequence[str]) -> list[bytes] | None:
        """Return what a vector is found by; None for texts that only the embedder can judge."""
        if self._cache is None:
            return None
        begun = blake2b(digest_size=KEY_BYTES, key=self._identity[1], person=role.encode())
        keys: list[bytes] = []
        try:
            for text in texts:
                one = begun.copy()
                one.update(text.encode())
                keys.append(one.digest())
        except (UnicodeEncodeError, AttributeError):
            return None
        return keys

    def _found(self, keys: list[bytes]) -> tuple[NDArray[np.bool_], Vectors]:
        with self._faults_in("read"):
            if self._cache is not None:
                return self._cache.find(keys, self.dimension)
        nothing = np.zeros(len(keys), dtype=np.bool_)
        return nothing, np.empty((len(keys), self.dimension), dtype=np.float32)

    def _keep(self, role: Role, keys: list[bytes], vectors: Vectors) -> None:
        # What breaks the promises of an embedder is an error above, and must not be remembered.
        lengths = np.einsum("ij,ij->i", vectors, vectors)
        sound = vectors.dtype == np.float32 and bool((np.abs(lengths - 1) < UNIT_TOLERANCE).all())
        cache = self._cache
        if cache is None or not self._writable or not sound:
            return
        with self._lock:
            flags, self._flags = self._flags, {}
        with self._faults_in("written"):
            patience_s = QUERY_PATIENCE_S if role == "query" else PATIENCE_S
            cache.put(self._identity[0], keys, vectors, flags, patience_s=patience_s)

    # ------------------------------------------------------------ what is truncated

    def _known_flags(self, keys: list[bytes]) -> NDArray[np.int64]:
        with self._faults_in("read"):
            if self._cache is not None:
                return self._cache.flags(keys)
        return np.full(len(keys), NO_ENTRY)

    def _keep_flags(self, flags: dict[bytes, bool], present: set[bytes]) -> None:
        """Keep flags: at once of texts that have an entry, else with the vectors that come next."""
        cache = self._cache
        if cache is None or not self._writable:
            return
        with self._lock:
            if len(self._flags) > _FLAGS_HELD:
                self._flags = {}
            self._flags.update((key, cut) for key, cut in flags.items() if key not in present)
        if present:
            with self._faults_in("written"):
                cache.put_flags({key: flags[key] for key in present})

    # ------------------------------------------------------------ whose vectors, and faults

    @cached_property
    def _identity(self) -> tuple[str, bytes]:
        """The fingerprint under which vectors are kept, and what is hashed with each text.

        It is the one that another run has left, where that is of the same model.
        """
        own = self.fingerprint
        known = own.model_dump_json()
        with self._faults_in("read"):
            stored = [] if self._cache is None else self._cache.fingerprints()
            if known not in stored:
                known = next((one for one in stored if same_model(one, own)), known)
        return known, blake2b(known.encode(), digest_size=32).digest()

    @contextmanager
    def _faults_in(self, doing: Literal["opened", "read", "written"]) -> Generator[None]:
        """Let no trouble with the file become one of those who want vectors."""
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            name = getattr(exc, "sqlite_errorname", "")
            busy = name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
            if doing == "written":
                self._writable = self._writable and busy
            elif not busy:
                self._cache = None
            what = "is in use and was passed over" if busy else f"cannot be {doing}"
            if what not in self._warned:
                self._warned.add(what)
                warnings.warn(
                    f"the embedding cache {self.path} {what} ({exc}); texts are embedded all the"
                    f" same, only again each time.{_remedy(name)}",
                    CacheUnused,
                    stacklevel=2,
                )


def _remedy(name: str) -> str:
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT")):
        return " The file is damaged: delete it"
    if name.startswith("SQLITE_FULL"):
        return " Free some room on the disk"
    return ""


def same_model(stored: str, own: EmbedderFingerprint) -> bool:
    """Say whether a stored fingerprint, as JSON, is that of the same model at the same precision.

    All must be equal but the last digits of some probe vectors: a sum in another order, in
    another thread, may be rounded up once and down once.
    """
    try:
        other = EmbedderFingerprint.model_validate_json(stored)
    except ValidationError:  # of a version with other fields
        return False
    if other.model_copy(update={"probes": own.probes}) != own:
        return False
    if [len(row) for row in other.probes] != [len(row) for row in own.probes]:
        return False
    apart = np.abs(np.array(other.probes) - np.array(own.probes))
    changed = np.count_nonzero(apart > LAST_DIGIT / 10)
    return bool((apart < LAST_DIGIT).all() and changed <= ROUNDED_OTHERWISE * apart.size)
