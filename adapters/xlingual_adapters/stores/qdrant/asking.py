"""What makes requests: the connection of a store, or of one collection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant.faults import Fault
from xlingual_adapters.stores.qdrant.settings import QdrantSettings

T = TypeVar("T")


class Asks(Protocol):
    """Makes requests of a server, a folder, or this process."""

    settings: QdrantSettings
    where: str
    is_local: bool
    consistency: models.ReadConsistency | None

    def ask(self, request: Callable[[QdrantClient], T], *, patient: bool = True) -> T:
        """Make a request, again where that may help."""
        ...

    def ask_once(self, request: Callable[[QdrantClient], T]) -> T | Fault:
        """Make a request a single time, and return the fault if it fails."""
        ...
