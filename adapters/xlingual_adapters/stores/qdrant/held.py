"""One collection as it was opened: a replacement of the same name is not it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

from qdrant_client import QdrantClient

from xlingual_adapters.stores.qdrant import naming, reserved
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import Fault, NotThere, WrongDimension
from xlingual_qdrant.errors import StoreUnavailable

T = TypeVar("T")


class Held:
    """The connection of an open collection, which says what has become of it."""

    def __init__(
        self, connection: Connection, *, name: str, alias: str, on_server: str, made: str | None
    ) -> None:
        """name: for people; alias: the same on the server; on_server: what it led to.

        made: what tells it from another of that name on the server, if it is known.
        """
        self._connection = connection
        self._name, self._alias, self._on_server = name, alias, on_server
        self._made = made
        self._number = naming.number_of(alias, on_server) or 0
        self._removals = connection.removals[on_server]
        self.settings = connection.settings
        self.where = connection.where
        self.is_local = connection.is_local
        self.consistency = connection.consistency

    def ask(self, request: Callable[[QdrantClient], T], *, patient: bool = True) -> T:
        """Make a request; if the collection is gone, say how that came about."""
        if self._connection.removals[self._on_server] != self._removals:
            raise self._gone()
        try:
            return self._connection.ask(request, patient=patient)
        except NotThere:
            on_server = self._on_server
            if self._connection.ask(lambda client: client.collection_exists(on_server)):
                raise
            raise self._gone() from None
        except WrongDimension:
            if self._is_made_anew():
                raise self._gone() from None
            raise

    def ask_once(self, request: Callable[[QdrantClient], T]) -> T | Fault:
        """Make a request a single time, and return the fault if it fails."""
        return self._connection.ask_once(request)

    @contextmanager
    def writing(self) -> Generator[None]:
        """Raise StoreUnavailable if what is written meanwhile is not in what the name leads to.

        It is looked at before and after: a replacement may come in between.
        """
        self._check_current()
        yield
        self._check_current()

    def _check_current(self) -> None:
        """Go on if the name leads here, or if this is to take the place of what it leads to."""
        if self._made is not None and self._kept_in(self._alias) == self._made:
            return
        target = aliases(self._connection).get(self._alias, self._on_server)
        if target != self._on_server:
            newest = naming.number_of(self._alias, target)
            if newest is None or newest > self._number:
                raise self._gone()
        if reserved.read_made(self, self._on_server) != self._made:
            raise self._gone()

    def _kept_in(self, name: str) -> str | Fault | None:
        """Return what tells the collection of a name on the server from others; asks once.

        A key may know what an alias leads to, and not the alias.
        """
        found = self._connection.ask_once(
            lambda client: client.retrieve(
                name, [reserved.SCHEMA_POINT], consistency=self.consistency
            )
        )
        return found if isinstance(found, Fault) else reserved.made_of(found)

    def _is_made_anew(self) -> bool:
        kept = self._kept_in(self._on_server)
        return not isinstance(kept, Fault) and kept != self._made

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
