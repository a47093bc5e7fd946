"""The judge keeps the contract of all stores."""

from __future__ import annotations

from pathlib import Path

from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Store
from xlingual_qdrant.testing import StoreContract, store_machine


class TestMemoryStore(StoreContract):
    def open_store(self, place: Path) -> Store:
        return MemoryStore()


TestMemoryStoreBesideTheJudge = store_machine(lambda _: MemoryStore()).TestCase
