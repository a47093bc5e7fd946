"""Writes that arrive: in batches of bounded size, some at a time, none lost for another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from qdrant_client import models

from xlingual_adapters.stores.qdrant.asking import Asks
from xlingual_adapters.stores.qdrant.faults import RequestTimedOut, RequestTooLarge
from xlingual_adapters.stores.qdrant.shards import Shards, copies, left_behind
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import json_bytes, own_part, to_payload
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidDocument, StoreError
from xlingual_qdrant.ports import Vectors

BATCH_BYTES = 4 << 20
"""Bytes of a request; servers refuse 32 MiB, and answer late well before that."""
BATCH_POINTS = 1000
_NUMBER_BYTES = 14
"""Characters of a component of a vector, with its comma."""

Batch = list[models.PointStruct]


def points(documents: Iterable[Document], vectors: Vectors) -> Iterator[tuple[Batch, int]]:
    """Yield batches of points, with their bytes; each holds at least one point.

    documents, vectors: row by row, no id twice.
    """
    batch: Batch = []
    total = 0
    for document, vector in zip(documents, vectors, strict=True):
        payload = to_payload(document)
        size = json_bytes(payload) + _NUMBER_BYTES * len(vector) + 64
        if batch and (total + size > BATCH_BYTES or len(batch) == BATCH_POINTS):
            yield batch, total
            batch, total = [], 0
        batch.append(
            models.PointStruct(
                id=document_point(document.id), vector=vector.tolist(), payload=payload
            )
        )
        total += size
    if batch:
        yield batch, total


def batches(
    documents: Sequence[Document], vectors: Vectors, key_of: Callable[[Document], str | None]
) -> Iterator[tuple[str | None, Batch]]:
    """Yield batches, each with the key of the shard that it goes to.

    documents, vectors: row by row, no id twice.
    """
    rows: dict[str | None, list[int]] = {}
    for row, document in enumerate(documents):
        rows.setdefault(key_of(document), []).append(row)
    for key, chosen in rows.items():
        for batch, _ in points((documents[row] for row in chosen), vectors[np.asarray(chosen)]):
            yield key, batch


def write(
    connection: Asks, collection: str, documents: Sequence[Document], vectors: Vectors,
    shards: Shards,
) -> int:  # fmt: skip
    """Write documents, no id twice; return how many of them were there before."""
    langs = {document_point(document.id): document.lang for document in documents}
    if not shards.by_language:
        known = existing(connection, collection, list(langs))
        upload(connection, collection, documents, vectors, shards)
        return len(known)
    found = copies(connection, collection, list(langs))
    shards.ensure(map(shards.key_of, documents))
    upload(connection, collection, documents, vectors, shards)
    # The new copy is there: until the old one is gone, readers take one of the two.
    for lang, stale in left_behind(found, langs).items():
        selector = models.FilterSelector(filter=stale)
        connection.ask(
            lambda client, selector=selector, lang=lang: client.delete(
                collection, selector, wait=True, shard_key_selector=lang
            )
        )
    return len({copy.point for copy in found})


def upload(
    connection: Asks, collection: str, documents: Sequence[Document], vectors: Vectors,
    shards: Shards,
) -> None:  # fmt: skip
    """Write all batches, and then raise the first error, if there was one.

    As many batches are under way as the settings say, and no more are made meanwhile.
    """
    failures: list[StoreError | InvalidDocument] = []

    def send(made: tuple[str | None, Batch]) -> None:
        key, batch = made
        try:
            upsert(lambda part, patient: _send(connection, collection, key, part, patient), batch)
        except (StoreError, InvalidDocument) as exc:
            failures.append(exc)

    waiting = batches(documents, vectors, shards.key_of)
    parallel = 1 if connection.is_local else connection.settings.parallel
    with ThreadPoolExecutor(parallel) as pool:
        while wave := list(islice(waiting, parallel)):
            if len(wave) == 1:
                send(wave[0])
            else:
                list(pool.map(send, wave))
    if failures:
        raise failures[0]


def upsert(send: Callable[[Batch, bool], object], batch: Batch) -> None:
    """Send a batch; where it is too large, or too much at a time, its halves.

    send: takes a batch, and whether to be patient if there is no answer in time.
    """
    try:
        send(batch, len(batch) == 1)
    except RequestTooLarge as exc:
        if len(batch) == 1:
            raise _too_long(batch[0], exc) from None
        _halves(send, batch)
    except RequestTimedOut:
        if len(batch) == 1:
            raise
        _halves(send, batch)


def existing(connection: Asks, collection: str, ids: Sequence[str]) -> set[str]:
    """Return those of the point ids that are taken."""
    found: set[str] = set()
    for start in range(0, len(ids), BATCH_POINTS):
        part = ids[start : start + BATCH_POINTS]
        records = connection.ask(
            lambda client, part=part: client.retrieve(
                collection, part, with_payload=False,
                consistency=connection.consistency,
            )
        )  # fmt: skip
        found.update(str(record.id) for record in records)
    return found


def _send(connection: Asks, collection: str, key: str | None, batch: Batch, patient: bool) -> None:
    connection.ask(
        lambda client: client.upsert(collection, batch, wait=True, shard_key_selector=key),
        patient=patient,
    )


def _halves(send: Callable[[Batch, bool], object], batch: Batch) -> None:
    middle = len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        upsert(send, half)


def _too_long(point: models.PointStruct, exc: RequestTooLarge) -> InvalidDocument:
    own = own_part(point.payload, "document") or {}
    shown = str(own.get("id", point.id))[:60]
    return InvalidDocument("too-long", f"document '{shown}' does not fit in a request: {exc}")
