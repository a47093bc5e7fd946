"""The client's many ways to fail are told apart."""

from __future__ import annotations

import httpx
import pytest
from grpc import StatusCode
from pydantic import BaseModel, ValidationError
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from xlingual_adapters.stores.qdrant.faults import (
    IndexRequired,
    NotThere,
    RequestTimedOut,
    RequestTooLarge,
    error,
    fault_of,
    is_vendors,
    verdict,
)

from xlingual_qdrant.errors import CollectionMissing, StoreUnavailable


def answer(status: int, error: str = "words", **headers: str) -> UnexpectedResponse:
    content = b'{"status":{"error":"%s"},"time":0.0}' % error.encode()
    return UnexpectedResponse(status, "", content, httpx.Headers(headers))


def translated(exc: Exception) -> StoreUnavailable:
    return error(fault_of(exc), "http://q:6333")


class GrpcError(Exception):
    """As grpc raises them: what failed is asked of it."""

    def __init__(self, name: str, details: str) -> None:
        self._code, self._details = StatusCode[name], details

    def code(self) -> StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize(
    ("exc", "kind", "again"),
    [
        (answer(401), "refused", False),
        (answer(403), "refused", False),
        (answer(404), "missing", False),
        (answer(409), "exists", False),
        (answer(400), "other", False),
        (answer(500), "other", False),
        (answer(429), "busy", True),
        (answer(502), "gateway", True),
        (answer(500, "Service internal error: The replica set for shard 0 on peer 1 has no active"
                " replica"), "degraded", True),
        (answer(507, "Disk usage is at 95% of total capacity"), "full", False),
        (answer(403, "Storage locked: maintenance"), "locked", False),
        (answer(503), "busy", True),
        (answer(504), "timeout", True),
        (answer(413), "too-large", False),
        (answer(400, "JSON payload (40000000 bytes) is larger than allowed (limit: 33554432"
                " bytes)."), "too-large", False),
        (answer(400, "Bad request: Index required but not found for x"), "unindexed", False),
        (ResourceExhaustedResponse("slow down", 3), "busy", True),
        (ResponseHandlingException(httpx.ConnectError("refused")), "unreachable", True),
        (ResponseHandlingException(httpx.ConnectTimeout("late")), "unreachable", True),
        (ResponseHandlingException(httpx.ReadTimeout("late")), "timeout", True),
        (ResponseHandlingException(httpx.ReadError("reset")), "broken", True),
        (ResponseHandlingException(httpx.RemoteProtocolError("cut")), "broken", True),
        (ResponseHandlingException(httpx.ConnectError("[Errno 104] Connection reset by peer")),
         "broken", True),
        (ResponseHandlingException(httpx.ReadError("[SSL: UNEXPECTED_EOF_WHILE_READING]")),
         "broken", True),
        (ResponseHandlingException(httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER]")),
         "tls", False),
        (ResponseHandlingException(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]")),
         "certificate", False),
        (GrpcError("UNAVAILABLE", "failed to connect to all addresses"), "unreachable", True),
        (GrpcError("UNAVAILABLE", "errors resolving q.invalid:6334: [field:A]"), "unreachable",
         True),
        (GrpcError("UNAVAILABLE", "Socket closed"), "broken", True),
        (ResponseHandlingException(RuntimeError("the client has been closed")), "other", False),
        (GrpcError("DEADLINE_EXCEEDED", "Deadline Exceeded"), "timeout", True),
        (GrpcError("RESOURCE_EXHAUSTED", "rate limit"), "busy", True),
        (GrpcError("RESOURCE_EXHAUSTED", "Disk usage is at 95% of total capacity, exceeding"),
         "full", False),
        (GrpcError("OUT_OF_RANGE", "Error, decoded message length too large: found 40000000"),
         "too-large", False),
        (GrpcError("UNAUTHENTICATED", "Invalid API key"), "refused", False),
        (GrpcError("NOT_FOUND", "Collection `a` doesn't exist!"), "missing", False),
        (GrpcError("UNIMPLEMENTED", ""), "foreign", False),
        (AssertionError("Get collections returned None"), "foreign", False),
        (ValueError("Collection a not found"), "missing", False),
        (ValueError("Collection a already exists"), "exists", False),
    ],
    ids=str,
)  # fmt: skip
def test_each_failure_has_its_kind(exc: Exception, kind: str, again: bool) -> None:
    assert is_vendors(exc)
    assert fault_of(exc).kind == kind
    assert verdict(fault_of(exc)).again == again


def test_retry_after_is_read() -> None:
    for exc in (ResourceExhaustedResponse("slow down", 3), answer(503, **{"Retry-After": "3"})):
        assert verdict(fault_of(exc)) == (True, 3.0)


def test_an_answer_that_is_not_json_is_shown_shortened() -> None:
    proxy = UnexpectedResponse(502, "", b"<html>" + b"x" * 10_000, httpx.Headers())
    assert len(str(translated(proxy))) < 400


def test_errors_name_the_place_and_the_way_out() -> None:
    refused = str(translated(answer(401)))
    assert "http://q:6333" in refused
    assert "api_key" in refused
    assert isinstance(translated(answer(404)), NotThere)
    assert isinstance(translated(answer(413)), RequestTooLarge)
    assert isinstance(translated(answer(504)), RequestTimedOut)
    assert isinstance(translated(answer(400, "Index required but not found")), IndexRequired)


def test_bugs_are_not_taken_for_the_servers_troubles() -> None:
    class Model(BaseModel):
        number: int

    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"number": "x"})
    for bug in (
        caught.value, TypeError(), KeyError(), UserWarning(), AssertionError("no rows"),
        CollectionMissing("a", "b"),
    ):  # fmt: skip
        assert not is_vendors(bug)
