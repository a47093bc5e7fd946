"""The Qdrant store: the collections of a server, a folder or this process."""

from __future__ import annotations

import builtins
from threading import RLock

from xlingual_adapters.stores.qdrant import creation, generations, naming, reserved, shards
from xlingual_adapters.stores.qdrant.adopted import AdoptedCollection
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.collection import QdrantCollection
from xlingual_adapters.stores.qdrant.generations import Behind
from xlingual_adapters.stores.qdrant.held import aliases
from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    CollectionReadOnly,
    NotSupported,
    ReplacementMissing,
    SchemaMismatch,
    StoreUnavailable,
)
from xlingual_qdrant.ports import Capabilities
from xlingual_qdrant.schema import NAME, CollectionSchema, check_name


class QdrantStore:
    """Collections by name. Those of other programs are neither listed nor touched."""

    def __init__(self, settings: QdrantSettings) -> None:
        self._settings = settings
        self._connection = Connection(settings)
        self._changing = RLock()
        """Held while collections come and go by way of this object."""

    @property
    def capabilities(self) -> Capabilities:
        """A server searches by an index and takes many writers; local mode does neither.

        A write of any size is cut into requests that the server takes.
        """
        return Capabilities(
            persistent=self._settings.location is None,
            approximate=not self._settings.is_local,
            concurrent_writers=not self._settings.is_local,
            aliases=True,
        )

    @property
    def location(self) -> str:
        """The address or the folder."""
        return self._connection.where

    def create(self, schema: CollectionSchema) -> QdrantCollection:
        """Create a collection; raises CollectionExists, also for one of another program.

        The alias is made last. What a creation that did not end has left behind is completed.
        """
        base = self._on_server(schema.name)
        if self._settings.shard_by_language:
            shards.check_cluster(self._connection)
        with self._changing:
            name = self._built(base, schema)
            if base in aliases(self._connection):
                raise CollectionExists(schema.name, self.location)
            generations.switch(self._connection, base, name)
            return self._opened(schema.name, name)

    def open(self, name: str) -> QdrantCollection | AdoptedCollection:
        """Open a collection; raises CollectionMissing, SchemaMismatch, FormatTooNew."""
        if name in self._settings.adopt:
            return self._adopted(name)
        return self._opened(name, generations.resolve(self._connection, self._on_server(name)))

    def drop(self, name: str) -> None:
        """Remove a collection for good; raises CollectionMissing, SchemaMismatch.

        The one that the name leads to goes last, so that a drop that did not end is repeated.
        """
        base = self._on_server(name)
        with self._changing:
            behind = self._behind(name)
            current = self._of_this_library(name, behind)
            if behind.number is not None:
                generations.remove(self._connection, base, behind.older + behind.newer)
            elif current != base:
                raise NotSupported(
                    self.location,
                    f"drop '{name}', which is an alias of '{current}'",
                    "drop that collection by its own name, or remove the alias",
                )
            removed = generations.delete(self._connection, current)
            if not removed and generations.info(self._connection, base) is not None:
                raise StoreUnavailable(
                    self.location,
                    f"collection '{name}' is still there; use a key that may remove it",
                )

    def list(self) -> builtins.list[str]:
        """Return the names of the collections of this library, sorted.

        Those without an alias are not listed: to tell them from others, each would have to
        be asked.
        """
        prefix = self._settings.collection_prefix
        named = {
            alias.removeprefix(prefix)
            for alias, target in aliases(self._connection).items()
            if alias.startswith(prefix) and naming.number_of(alias, target) is not None
        }
        adopted = {
            name
            for name, adoption in self._settings.adopt.items()
            if generations.info(self._connection, adoption.collection or name) is not None
        }
        return sorted(name for name in named | adopted if NAME.fullmatch(name))

    def begin_replacement(self, schema: CollectionSchema) -> QdrantCollection:
        """Return the collection that is to take the place of the one of this name."""
        base = self._on_server(schema.name)
        if self._settings.shard_by_language:
            shards.check_cluster(self._connection)
        with self._changing:
            behind = self._replaceable(schema.name)
            if behind.newer:
                begun = naming.numbered(base, behind.newer[-1])
                if reserved.read_schema(self._connection, begun) == schema or (
                    generations.is_completable(self._connection, begun, schema)
                    and generations.build(self._connection, begun, schema)
                ):
                    return self._opened(schema.name, begun)
            generations.remove(self._connection, base, behind.newer)
            # The number is a new one: who has the discarded one open is not to meet another.
            name = naming.numbered(base, behind.numbers[-1] + 1)
            if not generations.build(self._connection, name, schema):
                raise StoreUnavailable(
                    self.location,
                    f"another process is replacing collection '{schema.name}'; wait until it ends",
                )
            return self._opened(schema.name, name)

    def finish_replacement(self, name: str) -> None:
        """Let the name lead to the replacement, in one step."""
        base = self._on_server(name)
        with self._changing:
            newer = [naming.numbered(base, n) for n in reversed(self._replaceable(name).newer)]
            for replacement in newer:
                if reserved.has_schema(self._connection, replacement):
                    generations.switch(self._connection, base, replacement)
                    return
            raise ReplacementMissing(name, self.location)

    def discard_replacement(self, name: str) -> None:
        """Remove a replacement that was begun, if there is one."""
        with self._changing:
            behind = self._replaceable(name)
            generations.remove(self._connection, self._on_server(name), behind.newer)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _adopted(self, name: str) -> AdoptedCollection:
        adoption = self._settings.adopt[name]
        info = generations.info(self._connection, adoption.collection or name)
        if info is None:
            raise CollectionMissing(name, self.location, self.list())
        return AdoptedCollection(self._connection, name, adoption, info.config)

    def _on_server(self, name: str) -> str:
        if name in self._settings.adopt:
            raise CollectionReadOnly(name, self.location)
        return self._settings.collection_prefix + check_name(name)

    def _built(self, base: str, schema: CollectionSchema) -> str:
        """Return a new collection on the server, complete but for its alias."""
        behind = generations.look(self._connection, base)
        if behind.current is not None:
            raise CollectionExists(schema.name, self.location)
        if not behind.numbers:
            first = naming.numbered(base, 1)
            if generations.build(self._connection, first, schema):
                return first
            behind = Behind(None, (1,), None)
        left = naming.numbered(base, behind.numbers[-1])
        if generations.await_creation(self._connection, base, left):
            raise CollectionExists(schema.name, self.location)
        for number in behind.numbers:
            self._check_unseen(schema.name, naming.numbered(base, number))
        if generations.is_completable(self._connection, left, schema):
            generations.build(self._connection, left, schema)
            return left
        name = naming.numbered(base, behind.numbers[-1] + 1)
        if not generations.build(self._connection, name, schema):
            raise CollectionExists(schema.name, self.location)
        return name

    def _check_unseen(self, name: str, left: str) -> None:
        """Refuse to create a collection above one that has lost its alias."""
        if generations.holds_documents(self._connection, left):
            raise StoreUnavailable(
                self.location,
                f"'{left}' holds documents, and its alias '{self._on_server(name)}' is missing;"
                " make the alias again, or remove that collection",
            )

    def _behind(self, name: str) -> Behind:
        behind = generations.look(self._connection, self._on_server(name))
        if behind.current is None:
            raise CollectionMissing(name, self.location, self.list())
        return behind

    def _of_this_library(self, name: str, behind: Behind) -> str:
        """Return what the name leads to, if it may be changed as a whole."""
        if behind.current is None or not reserved.has_schema(self._connection, behind.current):
            raise SchemaMismatch(name, "it was made by another program, and is not changed here")
        return behind.current

    def _replaceable(self, name: str) -> Behind:
        behind = self._behind(name)
        current = self._of_this_library(name, behind)
        if behind.number is None:
            raise NotSupported(
                self.location,
                f"replace collection '{name}', which is '{current}' on the server",
                "only what was created under its name by this library has a place to be replaced"
                " in: copy it into a new collection",
            )
        return behind

    def _opened(self, name: str, on_server: str) -> QdrantCollection:
        info = generations.info(self._connection, on_server)
        if info is None:
            raise CollectionMissing(name, self.location, self.list())
        schema = reserved.read_schema(self._connection, on_server)
        if schema is None:
            raise SchemaMismatch(
                name,
                "it was made by another program, and is read if `adopt` of the store's settings"
                " says how",
            )
        if differences := creation.difference(schema, info.config.params):
            raise SchemaMismatch(name, differences)
        # A copy, or one behind another alias, has not the name that it was made with.
        schema = schema.model_copy(update={"name": name})
        return QdrantCollection(
            self._connection,
            schema,
            alias=self._on_server(name),
            on_server=on_server,
            config=info.config,
            made=reserved.read_made(self._connection, on_server),
        )
