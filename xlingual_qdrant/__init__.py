"""Cross-lingual retrieval that simply works.

with Collection.open("support") as tickets:
    tickets.add([{"text": "Mon colis n'est pas arrivé", "lang": "fr"}])
    hits = tickets.search("my parcel is missing")
"""

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
