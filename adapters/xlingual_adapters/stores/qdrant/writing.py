"""Writes that arrive: in batches of bounded size, some at a time, none lost for another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from qdrant_client import models

from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import RequestTimedOut, RequestTooLarge
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


def upload(connection: Connection, collection: str, documents: Iterable[Document],
           vectors: Vectors) -> None:  # fmt: skip
    """Write all batches, and then raise the first error, if there was one.

    As many batches are under way as the settings say, and no more are made meanwhile.
    """
    failures: list[StoreError | InvalidDocument] = []

    def write(batch: Batch) -> None:
        try:
            upsert(lambda part, patient: _send(connection, collection, part, patient), batch)
        except (StoreError, InvalidDocument) as exc:
            failures.append(exc)

    batches = points(documents, vectors)
    parallel = 1 if connection.is_local else connection.settings.parallel
    with ThreadPoolExecutor(parallel) as pool:
        while wave := [batch for _, (batch, _) in zip(range(parallel), batches, strict=False)]:
            if len(wave) == 1:
                write(wave[0])
            else:
                list(pool.map(write, wave))
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


def existing(connection: Connection, collection: str, ids: Sequence[str]) -> set[str]:
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


def _send(connection: Connection, collection: str, batch: Batch, patient: bool) -> None:
    connection.ask(lambda client: client.upsert(collection, batch, wait=True), patient=patient)


def _halves(send: Callable[[Batch, bool], object], batch: Batch) -> None:
    middle = len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        upsert(send, half)


def _too_long(point: models.PointStruct, exc: RequestTooLarge) -> InvalidDocument:
    own = own_part(point.payload, "document") or {}
    shown = str(own.get("id", point.id))[:60]
    return InvalidDocument("too-long", f"document '{shown}' does not fit in a request: {exc}")
