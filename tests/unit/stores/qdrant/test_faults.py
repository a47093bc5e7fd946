"""The client's many ways to fail are told apart."""

from __future__ import annotations

import httpx
import pytest
from pydantic import BaseModel, ValidationError
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from xlingual_adapters.stores.qdrant.faults import (
    IndexRequired,
    RequestTimedOut,
    RequestTooLarge,
    fault_of,
    is_vendors,
    translate,
    verdict,
)

from xlingual_qdrant.errors import CollectionMissing


def answer(status: int, error: str = "words") -> UnexpectedResponse:
    content = b'{"status":{"error":"%s"},"time":0.0}' % error.encode()
    return UnexpectedResponse(status, "", content, httpx.Headers())


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
        (answer(502), "broken", True),
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
        (ResponseHandlingException(httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER]")),
         "other", False),
        (ValueError("Collection a not found"), "missing", False),
        (ValueError("Collection a already exists"), "exists", False),
    ],
    ids=str,
)  # fmt: skip
def test_each_failure_has_its_kind(exc: Exception, kind: str, again: bool) -> None:
    assert is_vendors(exc)
    assert fault_of(exc).kind == kind
    assert verdict(exc).again == again


def test_retry_after_is_read() -> None:
    assert verdict(ResourceExhaustedResponse("slow down", 3)) == (True, 3.0)


def test_an_answer_that_is_not_json_is_shown_shortened() -> None:
    proxy = UnexpectedResponse(502, "", b"<html>" + b"x" * 10_000, httpx.Headers())
    assert len(str(translate(proxy, "http://q:6333"))) < 400


def test_errors_name_the_place_and_the_way_out() -> None:
    refused = str(translate(answer(401), "http://q:6333"))
    assert "http://q:6333" in refused
    assert "api_key" in refused
    assert isinstance(translate(answer(413), "q"), RequestTooLarge)
    assert isinstance(translate(answer(504), "q"), RequestTimedOut)
    assert isinstance(translate(answer(400, "Index required but not found"), "q"), IndexRequired)


def test_bugs_are_not_taken_for_the_servers_troubles() -> None:
    class Model(BaseModel):
        number: int

    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"number": "x"})
    for bug in (caught.value, TypeError(), KeyError(), UserWarning(), CollectionMissing("a", "b")):
        assert not is_vendors(bug)
