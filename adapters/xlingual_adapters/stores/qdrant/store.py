"""The Qdrant store: the collections of a server, a folder or this process."""

from __future__ import annotations

import builtins

from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant import creation, reserved
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.collection import QdrantCollection
from xlingual_adapters.stores.qdrant.faults import Fault
from xlingual_adapters.stores.qdrant.settings import QdrantSettings
from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    SchemaMismatch,
    StoreUnavailable,
)
from xlingual_qdrant.ports import Capabilities
from xlingual_qdrant.schema import CollectionSchema, check_name


class QdrantStore:
    """Collections by name. Those of other programs are neither listed nor touched."""

    def __init__(self, settings: QdrantSettings) -> None:
        self._settings = settings
        self._connection = Connection(settings)

    @property
    def capabilities(self) -> Capabilities:
        """A server searches by an index and takes many writers; local mode does neither."""
        return Capabilities(
            persistent=self._settings.location is None,
            approximate=not self._settings.is_local,
            concurrent_writers=not self._settings.is_local,
            aliases=False,
        )

    @property
    def location(self) -> str:
        """The address or the folder."""
        return self._connection.where

    def create(self, schema: CollectionSchema) -> QdrantCollection:
        """Create a collection; raises CollectionExists, also for one of another program.

        The schema is written last. A collection without it that is empty was left behind by
        a creation that did not end, and is completed.
        """
        name = self._on_server(schema.name)
        answer = self._connection.ask_once(
            lambda client: creation.create(client, name, schema, self._settings)
        )
        if isinstance(answer, Fault) and not self._is_unfinished(name, schema):
            if self._info(name) is not None:
                raise CollectionExists(schema.name, self.location)
            raise StoreUnavailable(
                self.location, f"collection '{schema.name}' is not created: {answer.detail}"
            )
        creation.create_indexes(self._connection, name, schema)
        reserved.write_schema(self._connection, name, schema)
        return self.open(schema.name)

    def open(self, name: str) -> QdrantCollection:
        """Open a collection; raises CollectionMissing, SchemaMismatch, FormatTooNew."""
        on_server, info = self._existing(name)
        schema = reserved.read_schema(self._connection, on_server)
        if schema is None and not info.points_count:
            # Its creation has not ended, perhaps just now on another machine.
            raise CollectionMissing(name, self.location, self.list())
        if schema is None:
            raise SchemaMismatch(name, "it was made by another program")
        if differences := creation.difference(schema, info.config.params):
            raise SchemaMismatch(name, differences)
        # Behind an alias a collection has another name than the one it was made with.
        schema = schema.model_copy(update={"name": name})
        return QdrantCollection(self._connection, schema, on_server)

    def drop(self, name: str) -> None:
        """Remove a collection for good; raises CollectionMissing, SchemaMismatch."""
        on_server, _ = self._existing(name)
        if not reserved.has_schema(self._connection, on_server):
            raise SchemaMismatch(name, "it was made by another program, and is not removed here")
        self._connection.ask(lambda client: client.delete_collection(on_server))

    def list(self) -> builtins.list[str]:
        """Return the names of the collections of this library, sorted."""
        answer = self._connection.ask(lambda client: client.get_collections())
        prefix = self._settings.collection_prefix
        return sorted(
            found.name.removeprefix(prefix)
            for found in answer.collections
            if found.name.startswith(prefix) and reserved.has_schema(self._connection, found.name)
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _on_server(self, name: str) -> str:
        return self._settings.collection_prefix + check_name(name)

    def _is_unfinished(self, name: str, schema: CollectionSchema) -> bool:
        info = self._info(name)
        return (
            info is not None
            and not info.points_count
            and not creation.difference(schema, info.config.params)
            and not reserved.has_schema(self._connection, name)
        )

    def _existing(self, name: str) -> tuple[str, models.CollectionInfo]:
        """Return the name on the server, and what it says; raises CollectionMissing."""
        on_server = self._on_server(name)
        info = self._info(on_server)
        if info is None:
            raise CollectionMissing(name, self.location, self.list())
        return on_server, info

    def _info(self, name: str) -> models.CollectionInfo | None:
        """Return what the server says of a collection; None if there is none."""

        def ask(client: QdrantClient) -> models.CollectionInfo | None:
            return client.get_collection(name) if client.collection_exists(name) else None

        return self._connection.ask(ask)
