"""The Edge store: the Qdrant engine inside this process, with its collections in a folder."""

from xlingual_adapters.stores.qdrant_edge.settings import QdrantEdgeSettings
from xlingual_adapters.stores.qdrant_edge.store import QdrantEdgeStore
from xlingual_qdrant.ports import StorePlugin

__all__ = ["QdrantEdgeSettings", "QdrantEdgeStore", "plugin"]

plugin = StorePlugin(
    settings=QdrantEdgeSettings,
    open=QdrantEdgeStore,
    summary="Qdrant Edge: the engine in this process, in a folder; one process at a time",
)
