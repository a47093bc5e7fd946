"""The local store keeps the contract of all stores, with every kind of index."""

from __future__ import annotations

from pathlib import Path

from xlingual_adapters.stores.faiss import FaissSettings, FaissStore

from xlingual_qdrant.ports import Store
from xlingual_qdrant.testing import StoreContract, store_machine


class TestExact(StoreContract):
    def open_store(self, place: Path) -> Store:
        return FaissStore(FaissSettings(path=place, index="exact"))


class TestHnsw(StoreContract):
    def open_store(self, place: Path) -> Store:
        return FaissStore(FaissSettings(path=place, index="hnsw"))


class TestIvf(StoreContract):
    def open_store(self, place: Path) -> Store:
        return FaissStore(FaissSettings(path=place, index="ivf"))


TestExactBesideTheJudge = store_machine(
    lambda place: FaissStore(FaissSettings(path=place, index="exact"))
).TestCase
