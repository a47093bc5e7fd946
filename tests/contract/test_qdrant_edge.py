"""The Edge store keeps the contract of all stores, with an index and without."""

from __future__ import annotations

from pathlib import Path

from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore

from xlingual_qdrant.ports import Store
from xlingual_qdrant.testing import StoreContract, store_machine
from xlingual_qdrant.testing.store_searching import SearchingContract


class TestByDefault(StoreContract):
    def open_store(self, place: Path) -> Store:
        return QdrantEdgeStore(QdrantEdgeSettings(path=place / "edge"))


class TestWithAnIndex(SearchingContract):
    """What an index could spoil; the rest does not know of it."""

    def open_store(self, place: Path) -> Store:
        return QdrantEdgeStore(QdrantEdgeSettings(path=place / "edge", index_from=500))


TestByDefaultBesideTheJudge = store_machine(
    lambda place: QdrantEdgeStore(QdrantEdgeSettings(path=place / "edge"))
).TestCase
