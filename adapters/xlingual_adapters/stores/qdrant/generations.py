"""What stands behind a name: the collection that it leads to, older ones, and a newer one.

A collection `support` is `support@1` with the alias `support`, which is made last. A
replacement is `support@2`, until the alias is switched over in one step. What has a lower
number than the current one is what it replaced, and stays for those who have it open.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant import creation, naming, reserved
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import Fault
from xlingual_adapters.stores.qdrant.held import aliases
from xlingual_adapters.stores.qdrant.shards import Shards
from xlingual_adapters.stores.qdrant_points.filters import DOCUMENTS
from xlingual_qdrant.errors import StoreUnavailable
from xlingual_qdrant.schema import CollectionSchema

_LOOK_AGAIN_S = 1.0
"""After it, a creation by another process that has made no progress is taken for dead."""


class Behind(NamedTuple):
    """What the server has of one name."""

    current: str | None
    """What the name leads to: a generation, or a collection of that very name."""
    numbers: tuple[int, ...]
    """The generations that are there, in order."""
    number: int | None
    """The generation that the name leads to; None if it leads elsewhere, or nowhere."""

    @property
    def newer(self) -> list[int]:
        """The generations that are to take the place of the current one."""
        return [number for number in self.numbers if number > (self.number or 0)]

    @property
    def older(self) -> list[int]:
        """The generations that the current one has taken the place of."""
        return [number for number in self.numbers if number < (self.number or 0)]


def resolve(connection: Connection, base: str) -> str:
    """Return what a name leads to; itself, if it is no alias that the key may know of."""
    return aliases(connection).get(base, base)


def look(connection: Connection, base: str) -> Behind:
    """Return what the server has of a name."""
    target = aliases(connection).get(base)
    answer = connection.ask(lambda client: client.get_collections())
    names = {found.name for found in answer.collections}
    numbers = (naming.number_of(base, name) for name in names)
    current = target or (base if base in names or info(connection, base) else None)
    number = None if current is None else naming.number_of(base, current)
    return Behind(current, tuple(sorted(n for n in numbers if n is not None)), number)


def info(connection: Connection, name: str) -> models.CollectionInfo | None:
    """Return what the server says of a collection; None if there is none."""

    def ask(client: QdrantClient) -> models.CollectionInfo | None:
        return client.get_collection(name) if client.collection_exists(name) else None

    return connection.ask(ask)


def build(connection: Connection, name: str, schema: CollectionSchema) -> bool:
    """Create a collection on the server, or complete one whose creation did not end.

    False, and nothing is changed, if there is one of another making. The schema is written
    last, so that what has one is complete.
    """
    answer = connection.ask_once(
        lambda client: creation.create(client, name, schema, connection.settings)
    )
    if isinstance(answer, Fault) and not is_completable(connection, name, schema):
        if info(connection, name) is not None:
            return False
        raise StoreUnavailable(
            connection.where, f"collection '{schema.name}' is not created: {answer.detail}"
        )
    shards = Shards(connection, name, by_language=connection.settings.shard_by_language)
    shards.ensure([shards.reserved])
    creation.create_indexes(connection, name, schema)
    # What has a schema may be open already, elsewhere: it stays what it is.
    made = reserved.read_made(connection, name)
    reserved.write_schema(connection, name, schema, shard_key=shards.reserved, made=made)
    return True


def is_completable(connection: Connection, name: str, schema: CollectionSchema) -> bool:
    """Say whether a collection is the beginning of what this schema and the settings ask for."""
    found = info(connection, name)
    if found is None or creation.difference(schema, found.config.params):
        return False
    by_language = creation.is_sharded_by_language(found.config.params)
    if by_language != connection.settings.shard_by_language:
        return False
    if is_empty(connection, name):
        return True
    stored = reserved.read_schema(connection, name)
    return stored == schema and not holds_documents(connection, name)


def await_creation(connection: Connection, base: str, name: str) -> bool:
    """Wait as long as another process is at creating a collection; say whether it was done."""
    progress = -1
    while True:
        if base in aliases(connection):
            return True
        found = info(connection, name)
        done = 0 if found is None else len(found.payload_schema) + (found.points_count or 0)
        if done == progress:
            return False
        progress = done
        time.sleep(_LOOK_AGAIN_S)


def switch(connection: Connection, base: str, name: str) -> None:
    """Let a name lead to a collection from now on, in one step."""
    actions = [
        models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=base)),
        models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=name, alias_name=base)
        ),
    ]
    connection.ask(lambda client: client.update_collection_aliases(actions))


def remove(connection: Connection, base: str, numbers: list[int]) -> None:
    """Remove generations of this library's making; whatever else has such a name stays."""
    for number in numbers:
        name = naming.numbered(base, number)
        if reserved.has_schema(connection, name) or is_empty(connection, name):
            delete(connection, name)


def delete(connection: Connection, name: str) -> bool:
    """Remove a collection on the server, and let those who have it open know."""
    removed = connection.ask(lambda client: client.delete_collection(name))
    connection.removals[name] += 1
    return removed


def remove_older(connection: Connection, base: str, name: str) -> None:
    """Remove what a collection has taken the place of, if it is the current one."""
    if naming.number_of(base, name) is None:
        return
    behind = look(connection, base)
    if behind.current == name:
        remove(connection, base, behind.older)


def is_empty(connection: Connection, name: str) -> bool:
    """Say whether a collection holds no point at all."""
    return connection.ask(lambda client: client.count(name, exact=True)).count == 0


def holds_documents(connection: Connection, name: str) -> bool:
    """Say whether a collection holds documents of this library."""
    documents = models.Filter(must=[DOCUMENTS])
    return connection.ask(lambda client: client.count(name, documents, exact=True)).count > 0
