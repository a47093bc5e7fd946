"""What is sent to a server, as the client writes it: over HTTP, and over gRPC."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from qdrant_client import grpc, models
from qdrant_client.conversions.conversion import RestToGrpc, grpc_to_payload
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore, reserved
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant_points.filters import translate
from xlingual_adapters.stores.qdrant_points.payload import to_document, to_payload

from tests.unit.stores.qdrant.faulty import Port, answer, read_request
from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import And, F, Filter, Not, Or
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import StoredCollection
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.agreement import assert_same_documents
from xlingual_qdrant.testing.corpus import ODD_METADATA, ODD_STRINGS
from xlingual_qdrant.testing.store_fixtures import SCHEMA, put

POINT = "5f0f4d27-6e5c-5b7e-9a3e-2f5b8e0c1d71"
GREETING = answer("200 OK", b'{"title":"qdrant","version":"1.20.0"}')
SERDE_DEPTH = 128
"""Objects and lists within each other that the server's reader of JSON takes."""


def sent(result: bytes, request: Callable[[Connection], object]) -> bytes:
    """Return what a request is on the wire; result: what it is answered with."""
    received: list[bytes] = []
    body = b'{"result":' + result + b',"status":"ok","time":0.0}'

    def act(connection: socket.socket) -> None:
        received.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with Port(act, GREETING) as port:
        connection = Connection(QdrantSettings(url=f"http://127.0.0.1:{port.number}"))
        request(connection)
        connection.close()
    return received[0]


def depth(value: object) -> int:
    """Return how many objects and lists lie within each other."""
    match value:
        case dict():
            parts: list[object] = [*value.values()]
        case list():
            parts = [*value]
        case _:
            return 0
    return 1 + max(map(depth, parts), default=0)


def nested(levels: int) -> Filter:
    """Return a filter that is nested so deep, in all ways."""

    def wrapped(inner: Filter, level: int) -> Filter:
        match level % 3:
            case 0:
                return Not(inner)
            case 1:
                return And((inner, F("b") != level))
            case _:
                return Or((inner, F("a") == level))

    return reduce(wrapped, range(levels), F("a") == 1)


def test_a_generation_of_a_collection_is_one_segment_of_the_path() -> None:
    met = sent(
        b'{"exists":true}',
        lambda connection: connection.ask(lambda client: client.collection_exists("support@1")),
    )
    assert met.startswith(b"GET /collections/support%401/exists HTTP/1.1\r\n")


def test_a_schema_is_sent_as_a_point_that_has_no_vector() -> None:
    schema = CollectionSchema(name="texts", dimension=3)
    done = b'{"operation_id":0,"status":"completed"}'
    met = sent(done, lambda connection: reserved.write_schema(connection, "texts@1", schema))
    head, _, body = met.partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /collections/texts%401/points?wait=true HTTP/1.1\r\n")
    [point] = json.loads(body)["points"]
    assert point["vector"] == {}
    # A message without any vectors, rather than with none, is refused.
    made = models.PointStruct(id=POINT, vector={}, payload={})
    message = grpc.PointStruct.FromString(RestToGrpc.convert_point_struct(made).SerializeToString())
    assert message.vectors.WhichOneof("vectors_options") == "vectors"


@pytest.mark.parametrize("number", range(len(ODD_METADATA)))
def test_metadata_survives_both_ways_of_transport(number: int) -> None:
    document = Document("\0", id="a\0b", metadata=dict(ODD_METADATA[number]))
    point = models.PointStruct(id=POINT, vector={}, payload=to_payload(document))
    message = grpc.PointStruct.FromString(
        RestToGrpc.convert_point_struct(point).SerializeToString()
    )
    assert_same_documents([to_document(grpc_to_payload(message.payload))], [document])
    written = models.PointsList(points=[point]).model_dump_json(
        exclude_unset=True, exclude_none=True
    )
    assert_same_documents([to_document(json.loads(written)["points"][0]["payload"])], [document])


def test_metadata_of_any_depth_stays_within_what_a_server_reads() -> None:
    value: Any = 1
    for level in range(99):
        value = [value] if level % 2 else {"a": value}
    document = Document("a", id="a", metadata={"deep": value})
    payload = to_payload(document)
    assert depth(payload) < SERDE_DEPTH / 2
    points = RestToGrpc.convert_point_struct(
        models.PointStruct(id=POINT, vector={}, payload=payload)
    )
    message = grpc.UpsertPoints(collection_name="texts", points=[points])
    [back] = grpc.UpsertPoints.FromString(message.SerializeToString()).points
    assert_same_documents([to_document(grpc_to_payload(back.payload))], [document])


@pytest.mark.parametrize("levels", [1, 30, 40, 100, 101, 102])
def test_a_filter_of_any_depth_stays_within_what_a_server_reads(levels: int) -> None:
    wanted = translate(nested(levels), {}).of_documents()
    search = models.QueryRequest(query=[1.0], filter=models.Filter(must=[wanted]), limit=1)
    batch = models.QueryRequestBatch(searches=[search])
    assert depth(json.loads(batch.model_dump_json(exclude_none=True))) < SERDE_DEPTH
    # Both ends of gRPC take a hundred messages within each other, and this is one of them.
    message = grpc.QueryBatchPoints(
        collection_name="texts", query_points=[RestToGrpc.convert_query_request(search, "texts")]
    )
    assert grpc.QueryBatchPoints.FromString(message.SerializeToString()) == message


@pytest.mark.parametrize("levels", [31, 32, 33, 100, 101])
def test_a_filter_of_any_depth_means_what_it_means(levels: int) -> None:
    collection = QdrantStore(QdrantSettings(location=":memory:")).create(SCHEMA)
    judge = MemoryCollection(SCHEMA)
    documents = [
        Document("a", id=f"{a} {b}", metadata={"a": a, "b": b})
        for a in (1, 2, 5)
        for b in (4, 7, "x")
    ]
    each: StoredCollection
    for each in (collection, judge):
        put(each, *documents)
    for where in (nested(levels), Not(nested(levels))):
        assert collection.count(where) == judge.count(where)
        assert {doc.id for batch in collection.scan(where) for doc in batch.documents} == {
            doc.id for batch in judge.scan(where) for doc in batch.documents
        }


def test_keys_of_any_characters_are_asked_for_over_grpc() -> None:
    where = Or(tuple(F.metadata(name) == value for name in ODD_STRINGS for value in (1, name)))
    wanted = RestToGrpc.convert_filter(translate(where, {}).of_documents())
    assert grpc.Filter.FromString(wanted.SerializeToString()) == wanted
