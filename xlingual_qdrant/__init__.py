"""Cross-lingual retrieval that simply works.

with Collection.open("support") as tickets:
    tickets.add([{"text": "Mon colis n'est pas arrivé", "lang": "fr"}])
    hits = tickets.search("my parcel is missing")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlingual_qdrant.async_collection import AsyncCollection
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.documents import CollectionInfo, Document, Hit, WriteReceipt, WriteReport
    from xlingual_qdrant.errors import XlingualError
    from xlingual_qdrant.filters import F, Filter
    from xlingual_qdrant.schema import CollectionSchema, EmbedderFingerprint
    from xlingual_qdrant.settings import (
        Settings,
        load_detector,
        load_embedder,
        load_settings,
        load_store,
    )

__all__ = [
    "AsyncCollection",
    "Collection",
    "CollectionInfo",
    "CollectionSchema",
    "Document",
    "EmbedderFingerprint",
    "F",
    "Filter",
    "Hit",
    "Settings",
    "WriteReceipt",
    "WriteReport",
    "XlingualError",
    "load_detector",
    "load_embedder",
    "load_settings",
    "load_store",
]

_HOMES = {
    "async_collection": ("AsyncCollection",),
    "collection": ("Collection",),
    "documents": ("CollectionInfo", "Document", "Hit", "WriteReceipt", "WriteReport"),
    "errors": ("XlingualError",),
    "filters": ("F", "Filter"),
    "schema": ("CollectionSchema", "EmbedderFingerprint"),
    "settings": ("Settings", "load_detector", "load_embedder", "load_settings", "load_store"),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: `xlingual --help` needs none of them."""
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
            return value
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
