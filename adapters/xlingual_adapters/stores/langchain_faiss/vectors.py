"""`index.faiss`: the vectors of a LangChain FAISS folder, as they were added."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import faiss
import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import CollectionDamaged

_EXACT = frozenset({
    "IndexFlat", "IndexFlatL2", "IndexFlatIP", "IndexFlat1D", "IndexHNSWFlat", "IndexIVFFlat",
    "IndexIVFFlatDedup", "IndexNSGFlat", "IndexNNDescentFlat", "IndexRefineFlat",
})  # fmt: skip
"""What keeps vectors as they are; others give back an approximation."""


class StoredVectors:
    """The vectors of one file. A position is the number that a search of the index returns."""

    def __init__(self, file: Path) -> None:
        """Read the file; raises CollectionDamaged."""
        self._where = str(file)
        try:
            self._whole: Any = faiss.read_index(str(file))
            index = self._whole
            self._rows: dict[int, int] | None = None
            if isinstance(index, faiss.IndexIDMap):
                ids = cast("NDArray[np.int64]", faiss.vector_to_array(self._whole.id_map))
                self._rows = {int(id): row for row, id in enumerate(ids)}
                # The inner one lives as long as the whole, which is kept therefore.
                index = faiss.downcast_index(self._whole.index)
            if isinstance(index, faiss.IndexIVF):
                cast(Any, index).make_direct_map()
        except RuntimeError as exc:
            raise CollectionDamaged(self._where, f"FAISS cannot read it ({_short(exc)})") from exc
        self._index: Any = index
        self.kind: str = type(index).__name__
        self.exact = self.kind in _EXACT
        self.dimension: int = self._index.d

    @property
    def positions(self) -> Collection[int]:
        """Where there are vectors."""
        return range(self._index.ntotal) if self._rows is None else self._rows.keys()

    def at(self, positions: list[int]) -> NDArray[np.float32]:
        """Return vectors, shape (len(positions), dimension); raises CollectionDamaged."""
        rows = positions if self._rows is None else [self._rows[at] for at in positions]
        try:
            found = self._index.reconstruct_batch(np.array(rows, dtype=np.int64))
        except RuntimeError as exc:
            raise CollectionDamaged(
                self._where, f"the {self.kind} does not give its vectors back ({_short(exc)})"
            ) from exc
        return np.asarray(found, dtype=np.float32)


def _short(exc: Exception) -> str:
    return str(exc).strip().splitlines()[-1][-200:]
