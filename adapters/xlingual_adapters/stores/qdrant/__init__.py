"""The Qdrant store: a server or cluster, Qdrant Cloud, or the client's own local mode."""

from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_adapters.stores.qdrant.store import QdrantStore
from xlingual_qdrant.ports import StorePlugin

__all__ = ["QdrantSettings", "QdrantStore", "plugin"]

plugin = StorePlugin(
    settings=QdrantSettings,
    open=QdrantStore,
    summary="a Qdrant server, cluster or cloud; or a folder, or memory, for trying it",
)
