"""What the vendor's client reports, told apart, and as errors of this library.

The client has many ways to fail: its own exceptions around HTTP answers and httpx errors,
gRPC errors, and plain ValueError and RuntimeError in local mode. Here they become one
`Fault`; nowhere else is a vendor's exception looked into.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from xlingual_adapters.stores.qdrant.retries import Verdict
from xlingual_qdrant.errors import StoreUnavailable, XlingualError

Kind: TypeAlias = Literal[
    "busy", "exists", "missing", "other", "refused", "timeout", "too-large", "unindexed",
    "unreachable", "broken", "in-use",
]  # fmt: skip


class Fault(NamedTuple):
    """One failure: its kind, the vendor's words, and the server's Retry-After if it gave one."""

    kind: Kind
    detail: str
    after_s: float | None = None


class RequestTooLarge(StoreUnavailable):
    """The server does not take a request of this size."""


class RequestTimedOut(StoreUnavailable):
    """The answer did not come in time; the request may have been carried out or not."""


class IndexRequired(StoreUnavailable):
    """The server's strict mode filters by indexed fields only."""


_BY_STATUS: dict[int, Kind] = {
    401: "refused",
    403: "refused",
    404: "missing",
    408: "timeout",
    409: "exists",
    413: "too-large",
    429: "busy",
    502: "broken",
    503: "busy",
    504: "timeout",
}
_BY_GRPC_CODE: dict[str, Kind] = {
    "UNAUTHENTICATED": "refused",
    "PERMISSION_DENIED": "refused",
    "NOT_FOUND": "missing",
    "DEADLINE_EXCEEDED": "timeout",
    "ALREADY_EXISTS": "exists",
    "RESOURCE_EXHAUSTED": "busy",
    "UNAVAILABLE": "unreachable",
    "ABORTED": "broken",
}
_BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"larger than (allowed|max)|message length too large|payload too large", re.I),
     "too-large"),
    (re.compile(r"index required but not found", re.I), "unindexed"),
    (re.compile(r"already exists", re.I), "exists"),
    (re.compile(r"collection .* (not found|doesn't exist)", re.I), "missing"),
    (re.compile(r"already accessed by another instance", re.I), "in-use"),
)  # fmt: skip

_AGAIN: frozenset[Kind] = frozenset({"busy", "timeout", "unreachable", "broken"})

_ADVICE: dict[Kind, str] = {
    "busy": "the server is overloaded or limits requests; call again later",
    "refused": "the server refuses the API key, or the key may not do that;"
    " check api_key (such as XLINGUAL_STORES__NAME__API_KEY)",
    "timeout": "no answer in time; call again, or raise timeout_s",
    "too-large": "the server refuses a request of this size; see its max_request_size_mb",
    "unreachable": "no answer; is the server running, and are address and port right?",
    "broken": "the connection broke; call again",
    "in-use": "the folder is used by another process, and local mode admits one;"
    " end that process, or run a server",
    "unindexed": "the server filters by indexed fields only; declare the field in the schema",
}


def is_vendors(exc: Exception) -> bool:
    """Say whether an exception is the client's report; others are bugs, or warnings as errors.

    Local mode reports by ValueError, RuntimeError and what SQLite and the system raise.
    """
    if isinstance(exc, XlingualError | ValidationError | Warning):
        return False
    reports = (ApiException, QdrantException, ValueError, RuntimeError, OSError, sqlite3.Error)
    return isinstance(exc, reports) or callable(getattr(exc, "code", None))


def fault_of(exc: Exception) -> Fault:
    """Say what kind of failure an exception of the vendor's client is."""
    match exc:
        case ResourceExhaustedResponse():
            return Fault("busy", str(exc), float(exc.retry_after_s))
        case UnexpectedResponse():
            detail = _server_words(exc)
            by_words = _kind_by_words(detail)
            return Fault(by_words or _BY_STATUS.get(exc.status_code or 0, "other"), detail)
        case ResponseHandlingException():
            return _transport_fault(exc.source)
        case _ if callable(code := getattr(exc, "code", None)):
            return _grpc_fault(exc, code())
        case _:
            detail = str(exc) or type(exc).__name__
            return Fault(_kind_by_words(detail) or "other", detail)


def verdict(exc: Exception) -> Verdict:
    """Say whether a request that failed so may be made again."""
    fault = fault_of(exc)
    return Verdict(fault.kind in _AGAIN, fault.after_s)


def translate(exc: Exception, where: str) -> StoreUnavailable:
    """Return the error of this library; `where` is the address without secrets."""
    fault = fault_of(exc)
    words = _ADVICE.get(fault.kind)
    detail = f"{words} ({fault.detail})" if words else fault.detail
    match fault.kind:
        case "too-large":
            return RequestTooLarge(where, detail)
        case "timeout":
            return RequestTimedOut(where, detail)
        case "unindexed":
            return IndexRequired(where, detail)
        case _:
            return StoreUnavailable(where, detail)


def _transport_fault(source: Exception) -> Fault:
    """Tell the errors of httpx apart; by name, since it is the client's dependency, not ours."""
    name, words = type(source).__name__, str(source) or type(source).__name__
    if "SSL" in words or "certificate" in words.lower():
        return Fault("other", f"TLS fails: {words}; is it https:// on a server that speaks http?")
    if name in ("ConnectTimeout", "ConnectError", "UnsupportedProtocol"):
        return Fault("unreachable", words)
    if name in ("ReadTimeout", "WriteTimeout", "PoolTimeout"):
        return Fault("timeout", words)
    if name in ("ReadError", "WriteError", "CloseError", "RemoteProtocolError", "ProxyError"):
        return Fault("broken", words)
    return Fault("other", f"the server's answer cannot be read: {words[:300]}")


def _grpc_fault(exc: Exception, code: Any) -> Fault:
    details = getattr(exc, "details", None)
    words = str(details()) if callable(details) else str(code)
    name = str(getattr(code, "name", code))
    return Fault(_kind_by_words(words) or _BY_GRPC_CODE.get(name, "other"), f"{name}: {words}")


def _server_words(exc: UnexpectedResponse) -> str:
    """Return the status and the error that the server wrote, cut to a sensible length."""
    try:
        status = cast("dict[str, Any]", json.loads(exc.content))["status"]["error"]
    except (ValueError, KeyError, TypeError):
        status = exc.content[:200].decode(errors="replace")
    return f"{exc.status_code}: {str(status)[:500]}"


def _kind_by_words(words: str) -> Kind | None:
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(words)), None)
