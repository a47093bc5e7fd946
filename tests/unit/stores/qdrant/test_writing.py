"""Batches are bounded, halved where they are too much, and none is lost for another."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import RequestTimedOut, RequestTooLarge
from xlingual_adapters.stores.qdrant.shards import Shards
from xlingual_adapters.stores.qdrant.writing import (
    BATCH_BYTES,
    BATCH_POINTS,
    Batch,
    points,
    upload,
    upsert,
)

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidDocument, StoreUnavailable
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.corpus import random_vectors


def batch_of(count: int) -> Batch:
    return [models.PointStruct(id=number, vector=[1.0]) for number in range(count)]


def test_batches_are_bounded_by_count_and_bytes() -> None:
    documents = [Document("x", id=str(number)) for number in range(2 * BATCH_POINTS + 1)]
    sizes = [len(batch) for batch, _ in points(documents, random_vectors(len(documents), 4))]
    assert sizes == [BATCH_POINTS, BATCH_POINTS, 1]
    documents = [Document("\0" * 300_000, id=str(number)) for number in range(5)]
    batches = list(points(documents, random_vectors(5, 4)))
    assert [len(batch) for batch, _ in batches] == [2, 2, 1]
    assert all(size <= BATCH_BYTES for _, size in batches)
    assert list(points([], random_vectors(0, 4))) == []


def test_a_document_larger_than_a_batch_goes_alone() -> None:
    documents = [Document("a"), Document("x" * (BATCH_BYTES + 1)), Document("b")]
    assert [len(batch) for batch, _ in points(documents, random_vectors(3, 4))] == [1, 1, 1]


@pytest.mark.parametrize("error", [RequestTooLarge, RequestTimedOut])
def test_a_batch_that_is_too_much_is_halved(error: type[StoreUnavailable]) -> None:
    arrived: list[int] = []

    def send(batch: Batch, patient: bool) -> None:
        assert patient == (len(batch) == 1)
        if len(batch) > 3:
            raise error("here", "too much")
        arrived.extend(int(point.id) for point in batch)

    upsert(send, batch_of(20))
    assert arrived == list(range(20))


def test_a_document_that_no_request_can_hold_is_named() -> None:
    def send(batch: Batch, patient: bool) -> None:
        raise RequestTooLarge("here", "limit")

    document = Document("x", id="the-long-one")
    [(batch, _)] = points([document], random_vectors(1, 4))
    with pytest.raises(InvalidDocument, match="the-long-one") as caught:
        upsert(send, batch)
    assert caught.value.reason == "too-long"


def test_other_errors_are_not_answered_by_halving() -> None:
    calls: list[int] = []

    def send(batch: Batch, patient: bool) -> None:
        calls.append(len(batch))
        raise StoreUnavailable("here", "refused")

    with pytest.raises(StoreUnavailable, match="refused"):
        upsert(send, batch_of(8))
    assert calls == [8]


class Failing:
    """A connection that is taken for one to a server, and loses some of the requests."""

    def __init__(self, connection: Connection, lost: set[int]) -> None:
        self._connection = connection
        self.settings = connection.settings.model_copy(update={"parallel": 3})
        self.where, self.consistency = connection.where, connection.consistency
        self.is_local = False
        self._lost, self._lock = lost, Lock()
        self.asked = 0

    def ask(self, request: Callable[[QdrantClient], Any], *, patient: bool = True) -> Any:
        with self._lock:
            self.asked += 1
            number = self.asked
        if number in self._lost:
            raise StoreUnavailable("here", f"request {number} is lost")
        return self._connection.ask(request, patient=patient)

    def ask_once(self, request: Callable[[QdrantClient], Any]) -> Any:
        return self._connection.ask_once(request)


@pytest.mark.parametrize("lost", [{1}, {2, 5}, {7}])
def test_a_batch_that_fails_does_not_take_others_with_it(lost: set[int]) -> None:
    store = QdrantStore(QdrantSettings(location=":memory:"))
    collection = store.create(CollectionSchema(name="c", dimension=4))
    documents = [Document("a", id=str(number)) for number in range(6 * BATCH_POINTS + 10)]
    connection = Failing(store._connection, lost)
    shards = Shards(connection, "c@1", by_language=False)
    with pytest.raises(StoreUnavailable, match=f"request [{''.join(map(str, lost))}] is lost"):
        upload(connection, "c@1", documents, random_vectors(len(documents), 4), shards)
    assert connection.asked == 7
    assert len(documents) - collection.count() in {1000 * len(lost), 10, 10 + 1000}
    store.close()
