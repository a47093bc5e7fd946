"""The local store: SQLite for documents, memory-mapped files for vectors, FAISS for indexes."""

from xlingual_adapters.stores.faiss.settings import FaissSettings
from xlingual_adapters.stores.faiss.store import FaissStore
from xlingual_qdrant.ports import StorePlugin

__all__ = ["FaissSettings", "FaissStore", "plugin"]

plugin = StorePlugin(
    settings=FaissSettings,
    open=FaissStore,
    summary="a folder on this computer; exact, or with FAISS indexes where they pay",
)
