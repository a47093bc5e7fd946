"""The promises of a store as tests. Inherit them, and override one method.

    class TestMyStore(StoreContract):
        def open_store(self, place: Path) -> Store:
            return MyStore(place)

`place` is a fresh folder; the same folder means the same store, opened again. What a
store can do is read from its `capabilities`. Every answer is compared with the
in-memory judge.
"""

from __future__ import annotations

from xlingual_qdrant.testing.store_documents import DocumentsContract
from xlingual_qdrant.testing.store_keeping import KeepingContract
from xlingual_qdrant.testing.store_languages import LanguagesContract
from xlingual_qdrant.testing.store_ranking import RankingContract
from xlingual_qdrant.testing.store_replacing import ReplacingContract
from xlingual_qdrant.testing.store_searching import SearchingContract


class StoreContract(
    KeepingContract,
    ReplacingContract,
    DocumentsContract,
    SearchingContract,
    LanguagesContract,
    RankingContract,
):
    """All promises of a store: that it keeps what it is given, and finds the nearest."""
