"""Index files: caches that can be made again, checked before they are believed.

An index covers the first rows of one segment; what came later is scanned beside it, so that
an answer never lacks what has been written. An index that is missing, damaged or too old is
built again by the next `flush` or `compact` of a writer; until then search is exact.
"""

from __future__ import annotations

import logging
import os
import threading
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.stores.faiss import tuning
from xlingual_adapters.stores.faiss.settings import FaissSettings, IndexKind
from xlingual_adapters.stores.faiss.snapshot import IndexEntry, Segment
from xlingual_adapters.stores.faiss.vectors import Places
from xlingual_qdrant.disk import sync_folder
from xlingual_qdrant.ports import Vectors

FOLDER = "indexes"
AUTO_HNSW_FROM = 200_000
"""Documents of a language above which a graph is worth its building, minutes long: below, a scan
answers in some 20 ms."""
AUTO_IVF_FROM = 2_000_000
"""Above, a graph takes too long to build and too much memory."""
_STALE_ROWS = 1_000
_STALE_SHARE = 0.1
"""An index is extended when more rows than both have come after it."""

_log = logging.getLogger(__name__)


class Indexes:
    """The indexes of one collection, loaded when first asked."""

    def __init__(self, folder: Path, settings: FaissSettings) -> None:
        self._folder = folder / FOLDER
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}
        """By file name; None for one that is damaged."""
        self._in_progress = ""
        """The file that `build` has begun, until `end_build`."""

    @property
    def setting(self) -> str:
        """What the settings ask for: auto, exact, hnsw or ivf."""
        return self._settings.index

    def wanted_kind(self, segment: Segment) -> IndexKind:
        """Return the kind that suits a segment under the settings."""
        match self._settings.index:
            case "exact":
                return "exact"
            case "auto" if segment.alive < AUTO_HNSW_FROM:
                return "exact"
            case "auto":
                return "hnsw" if segment.alive < AUTO_IVF_FROM else "ivf"
            case kind:
                return kind if segment.alive >= self._settings.index_from else "exact"

    def near(
        self, segment: Segment, queries: Vectors, k: int
    ) -> tuple[NDArray[np.int64], Places] | None:
        """Return places near each query, shape (n, m), -1 for none, and places not looked at.

        None if the segment has to be scanned: no index, a damaged one, or one that found
        fewer than k living rows for a query.
        """
        entry = segment.index
        if entry is None or entry.kind != self.wanted_kind(segment):
            return None
        dead = np.zeros(segment.rows, dtype=np.bool_)
        dead[segment.dead] = True
        living = entry.rows - int(np.count_nonzero(dead[: entry.rows]))
        m = tuning.margin(k) * entry.rows // max(living, 1)
        if m > entry.rows // 4 or (index := self._load(entry)) is None:
            return None
        labels = tuning.ask(index, entry.kind, queries, m, entry.effort)
        labels[dead[labels]] = -1
        if (np.count_nonzero(labels >= 0, axis=1) < min(k, living)).any():
            return None
        return labels, np.flatnonzero(~dead[entry.rows :]) + entry.rows

    def describe(self, segment: Segment) -> str:
        """Return what a search in this segment uses, in words."""
        wanted, entry = self.wanted_kind(segment), segment.index
        if wanted == "exact":
            return "exact"
        if entry is None or entry.kind != wanted:
            return f"exact ({wanted} not built yet)"
        if self._load(entry) is None:
            return f"exact ({wanted} damaged, to be built again)"
        return wanted

    def due(self, segment: Segment) -> bool:
        """Say whether an index should be built or extended."""
        wanted, entry = self.wanted_kind(segment), segment.index
        if wanted == "exact":
            return False
        if entry is None or entry.kind != wanted or not self._is_sound(entry):
            return True
        return segment.rows - entry.rows > max(_STALE_ROWS, _STALE_SHARE * entry.rows)

    def build(self, segment: Segment) -> IndexEntry:
        """Build or extend the index of a segment, and write it to a new file.

        The segment's vectors have been found undamaged. The file is kept until `end_build`,
        before which it is to be registered. One build at a time.
        """
        kind = cast("tuning.Kind", self.wanted_kind(segment))
        vectors = segment.file.rows(segment.rows)
        old = segment.index
        if old is not None and old.kind == kind and (bytes_ := self._read(old)) is not None:
            index = _parse(bytes_)
            tuning.extend(index, vectors)
        else:
            index = tuning.build(kind, vectors)
        effort = tuning.sufficient_effort(index, kind, vectors, self._settings.recall)
        data = _serialised(index)
        digest = _digest(data)
        name = f"{segment.file.path.stem}.{segment.rows}.{digest[:4].hex()}.{kind}"
        with self._lock:
            self._in_progress = name
        self._folder.mkdir(exist_ok=True)
        with (self._folder / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)
        with self._lock:
            self._loaded[name] = index
        return IndexEntry(kind, name, segment.rows, digest, effort)

    def end_build(self) -> None:
        """Note that what was built is registered, or not wanted."""
        with self._lock:
            self._in_progress = ""

    def remove_all_but(self, kept: set[str]) -> None:
        """Delete the files of indexes that no segment has any more."""
        with self._lock:
            kept = kept | {self._in_progress}
            self._loaded = {name: index for name, index in self._loaded.items() if name in kept}
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.name not in kept:
                    path.unlink(missing_ok=True)

    def _load(self, entry: IndexEntry) -> Any:
        """Return the index, or None if its file is not what was written."""
        with self._lock:
            if entry.file not in self._loaded:
                data = self._read(entry)
                self._loaded[entry.file] = None if data is None else _parse(data)
            return self._loaded[entry.file]

    def _is_sound(self, entry: IndexEntry) -> bool:
        if self._loaded.get(entry.file) is not None:
            return True
        return self._read(entry) is not None

    def _read(self, entry: IndexEntry) -> bytes | None:
        path = self._folder / entry.file
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            if not self._folder.parent.is_dir():
                return None  # nor is anything else: that is not for an index to report
            data = b""
        if _digest(data) == entry.digest:
            return data
        _log.warning(
            "%s does not match its checksum: search is exact until a writer builds it again", path
        )
        return None


def _digest(data: bytes | memoryview) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _serialised(index: Any) -> memoryview:
    data: NDArray[np.uint8] = tuning.library().serialize_index(index)
    return data.data


def _parse(data: bytes) -> Any:
    return tuning.library().deserialize_index(np.frombuffer(data, dtype=np.uint8))
