"""What belongs to a collection as a whole, in points of the collection itself.

They hold no vector, so no search meets them, and their `_xlingual.kind` is not "document",
so nothing counts or shows them. Thus the schema and the states travel with the collection:
through snapshots, aliases and replicas, and to every machine that knows its name.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from pydantic import ValidationError
from qdrant_client import models

from xlingual_adapters.stores.qdrant.asking import Asks
from xlingual_adapters.stores.qdrant_points.bounds import equals
from xlingual_adapters.stores.qdrant_points.ids import reserved_point
from xlingual_adapters.stores.qdrant_points.payload import KIND, OWN, Kind, own_part
from xlingual_qdrant.errors import CollectionDamaged, FormatTooNew, StoreUnavailable
from xlingual_qdrant.schema import FORMAT_VERSION, CollectionSchema

_PART_BYTES = 1 << 20
"""Bytes of a state in one point; a request stays far below the server's limit."""
_ATTEMPTS = 5
"""Readings of a state that is being replaced meanwhile."""

_HEADS_AT_ONCE = 1000

SCHEMA_POINT = reserved_point("schema")


def write_schema(
    connection: Asks, name: str, schema: CollectionSchema, *,
    shard_key: str | None = None, made: str | None = None,
) -> None:  # fmt: skip
    """Keep the schema in a collection, and what tells it from others that get its name.

    made: what it has been told from them by so far, if it was completed before.
    """
    own = {
        "kind": "schema",
        "schema": schema.model_dump_json(),
        "made": made or uuid4().hex,
    }
    _put(connection, name, SCHEMA_POINT, own, shard_key)


def has_schema(connection: Asks, name: str) -> bool:
    """Say whether a collection, which is there, is of this library's making."""
    return _get(connection, name, SCHEMA_POINT, "schema") is not None


def read_made(connection: Asks, name: str) -> str | None:
    """Return what tells a collection from others of its name; None if nothing was kept."""
    own = _get(connection, name, SCHEMA_POINT, "schema")
    return None if own is None else own.get("made")


def made_of(found: Sequence[models.Record]) -> str | None:
    """Return the same of an answer that holds the schema's point, if there is one."""
    own = own_part(found[0].payload, "schema") if found else None
    return None if own is None else own.get("made")


def read_schema(connection: Asks, name: str) -> CollectionSchema | None:
    """Return the schema; None if the collection is not of this library's making.

    Raises FormatTooNew, CollectionDamaged.
    """
    own = _get(connection, name, SCHEMA_POINT, "schema")
    if own is None:
        return None
    where = f"collection '{name}' in {connection.where}"
    try:
        values: Any = json.loads(own["schema"])
        version = int(values["format_version"])
        if version > FORMAT_VERSION:
            raise FormatTooNew(where, version, FORMAT_VERSION)
        return CollectionSchema.model_validate(values)
    except (KeyError, TypeError, ValueError, ValidationError) as exc:
        raise CollectionDamaged(where, "its schema cannot be read") from exc


class States:
    """Bytes under keys. A value is replaced as a whole: readers see the old or the new.

    The head of a state names the points that hold its parts; they are written before it.
    """

    def __init__(self, connection: Asks, collection: str, *, shard_key: str | None = None) -> None:
        """shard_key: of the shard that they lie in, where shards have keys."""
        self._connection = connection
        self._collection = collection
        self._shard_key = shard_key

    def keys(self) -> list[str]:
        """Return the keys, sorted; the parts of a state, which have none, are passed over."""
        found: list[str] = []
        wanted = models.Filter(must=[equals(KIND, "state")])
        offset: Any = None
        while True:
            records, offset = self._connection.ask(
                lambda client, offset=offset: client.scroll(
                    self._collection, wanted, limit=_HEADS_AT_ONCE, offset=offset,
                    with_payload=[KIND, f"{OWN}.key"], consistency=self._connection.consistency,
                )
            )  # fmt: skip
            heads = (own_part(record.payload, "state") for record in records)
            found += [head["key"] for head in heads if head and "key" in head]
            if offset is None:
                return sorted(found)

    def read(self, key: str) -> bytes | None:
        """Return what was kept under this key, or None."""
        for _ in range(_ATTEMPTS):
            head = self._head(key)
            if head is None:
                return None
            parts = [self._part(point) for point in head["parts"]]
            if all(part is not None for part in parts):
                return b"".join(part for part in parts if part is not None)
        raise StoreUnavailable(
            self._connection.where, f"the state '{key}' is being replaced over and over; call again"
        )

    def write(self, key: str, value: bytes | None) -> None:
        """Keep bytes under a key; None forgets them."""
        head = self._head(key)
        old = [] if head is None else list(head["parts"])
        head_point = reserved_point("state", key)
        if value is None:
            self._forget([head_point, *old])
            return
        generation = uuid4().hex
        parts: list[str] = []
        for start in range(0, len(value), _PART_BYTES):
            point = reserved_point("state", key, generation, str(start))
            data = b64encode(value[start : start + _PART_BYTES]).decode()
            self._put(point, {"kind": "state", "data": data})
            parts.append(point)
        head = {"kind": "state", "key": key, "bytes": len(value), "parts": parts}
        self._put(head_point, head)
        self._forget(old)

    def _head(self, key: str) -> dict[str, Any] | None:
        return _get(self._connection, self._collection, reserved_point("state", key), "state")

    def _part(self, point: str) -> bytes | None:
        own = _get(self._connection, self._collection, point, "state")
        return None if own is None else b64decode(own["data"])

    def _put(self, point: str, own: dict[str, Any]) -> None:
        _put(self._connection, self._collection, point, own, self._shard_key)

    def _forget(self, points: list[str]) -> None:
        if points:
            selector = models.PointIdsList(points=[*points])
            self._connection.ask(
                lambda client: client.delete(
                    self._collection, selector, wait=True, shard_key_selector=self._shard_key
                )
            )


def _put(
    connection: Asks, collection: str, point: str, own: dict[str, Any], shard_key: str | None
) -> None:
    made = models.PointStruct(id=point, vector={}, payload={OWN: own})
    connection.ask(
        lambda client: client.upsert(collection, [made], wait=True, shard_key_selector=shard_key)
    )


def _get(connection: Asks, collection: str, point: str, kind: Kind) -> dict[str, Any] | None:
    found = connection.ask(
        lambda client: client.retrieve(
            collection, [point], with_payload=True, consistency=connection.consistency
        )
    )
    return own_part(found[0].payload, kind) if found else None
