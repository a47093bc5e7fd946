"""What every collection of another program has in common: it keeps nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence

from xlingual_qdrant.documents import Document, WriteReceipt
from xlingual_qdrant.errors import CollectionReadOnly
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import Vectors


class ForeignCollection:
    """The half of the port that changes or keeps something; adapters add the reading.

    name, where: of the collection, for messages.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name, self._where = name, where

    def write(self, documents: Sequence[Document], vectors: Vectors) -> WriteReceipt:
        """Raise CollectionReadOnly."""
        raise self._refusal()

    def delete(self, ids: Sequence[str]) -> int:
        """Raise CollectionReadOnly."""
        raise self._refusal()

    def delete_where(self, where: Filter) -> int:
        """Raise CollectionReadOnly."""
        raise self._refusal()

    def write_state(self, key: str, value: bytes | None) -> None:
        """Raise CollectionReadOnly."""
        raise self._refusal()

    def read_state(self, key: str) -> bytes | None:
        """Return None: another program keeps no states."""
        return None

    def states(self) -> list[str]:
        """Return no keys."""
        return []

    def damaged_ids(self) -> list[str]:
        """Return no ids: there are no checksums of ours."""
        return []

    def compact(self) -> None:
        """Do nothing: it is not ours."""

    def flush(self) -> None:
        """Do nothing: nothing has been written."""

    def _refusal(self) -> CollectionReadOnly:
        return CollectionReadOnly(self._name, self._where)
