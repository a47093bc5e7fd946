"""One collection as it was opened: a replacement of the same name is not it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant import naming
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import Fault, NotThere
from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_qdrant.errors import StoreUnavailable

T = TypeVar("T")


class Asks(Protocol):
    """What makes requests: the connection of a store, or of one collection."""

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


class Held:
    """The connection of an open collection, which says what has become of it."""

    def __init__(self, connection: Connection, *, name: str, alias: str, on_server: str) -> None:
        """name: for people; alias: the same on the server; on_server: what it led to."""
        self._connection = connection
        self._name, self._alias, self._on_server = name, alias, on_server
        self._number = naming.number_of(alias, on_server) or 0
        self.settings = connection.settings
        self.where = connection.where
        self.is_local = connection.is_local
        self.consistency = connection.consistency

    def ask(self, request: Callable[[QdrantClient], T], *, patient: bool = True) -> T:
        """Make a request; if the collection is gone, say how that came about."""
        try:
            return self._connection.ask(request, patient=patient)
        except NotThere:
            on_server = self._on_server
            if self._connection.ask(lambda client: client.collection_exists(on_server)):
                raise
            raise self._gone() from None

    def ask_once(self, request: Callable[[QdrantClient], T]) -> T | Fault:
        """Make a request a single time, and return the fault if it fails."""
        return self._connection.ask_once(request)

    def _gone(self) -> StoreUnavailable:
        target = aliases(self._connection).get(self._alias, "")
        newest = naming.number_of(self._alias, target) or 0
        fate = "replaced" if newest > self._number else "removed"
        return StoreUnavailable(
            self.where, f"collection '{self._name}' was {fate} after it was opened; open it again"
        )


def aliases(connection: Connection) -> dict[str, str]:
    """Return what each alias on the server leads to; nothing where the key may not know."""
    answer = connection.ask_once(lambda client: client.get_aliases())
    if isinstance(answer, Fault):
        if answer.kind == "refused":
            return {}
        answer = connection.ask(lambda client: client.get_aliases())
    return {found.alias_name: found.collection_name for found in answer.aliases}
