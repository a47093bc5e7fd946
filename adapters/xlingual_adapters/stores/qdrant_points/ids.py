"""Point ids: Qdrant takes integers and UUIDs, so every id becomes a UUIDv5.

The same id is the same point on every machine, and no id can meet a point of the
library's own: those are named in another namespace. The id itself is in the payload.
"""

from __future__ import annotations

from uuid import UUID, uuid5

DOCUMENTS = UUID("5f0f4d27-6e5c-5b7e-9a3e-2f5b8e0c1d71")
"""Namespace of the points that hold documents."""
RESERVED = UUID("0c9d5a5e-33b4-5d0a-8f43-7f0a9b6f2e55")
"""Namespace of the points that hold what belongs to the collection as a whole."""


def document_point(id: str) -> str:
    """Return the point id of a document."""
    return str(uuid5(DOCUMENTS, id))


def reserved_point(*names: str) -> str:
    """Return the point id of something that belongs to the collection."""
    return str(uuid5(RESERVED, "\0".join(f"{len(name)}:{name}" for name in names)))
