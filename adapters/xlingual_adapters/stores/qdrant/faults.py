"""What the vendor's client reports, told apart, and as errors of this library.

The client has many ways to fail: its own exceptions around HTTP answers and httpx errors,
gRPC errors, and plain ValueError, RuntimeError and AssertionError. Here they become one
`Fault`; nowhere else is a vendor's exception looked into.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

from pydantic import ValidationError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from xlingual_qdrant.errors import StoreUnavailable, XlingualError
from xlingual_qdrant.servers import Verdict, retry_after_s

Kind: TypeAlias = Literal[
    "broken", "busy", "certificate", "damaged", "degraded", "dimension", "exists", "folder",
    "foreign", "full", "gateway", "in-use", "locked", "missing", "other", "refused", "timeout",
    "tls", "too-large", "unindexed", "unreachable",
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


class NotThere(StoreUnavailable):
    """The server has no collection of this name."""


class WrongDimension(StoreUnavailable):
    """The collection of this name has vectors of another length."""


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
    502: "gateway",
    503: "busy",
    504: "timeout",
    507: "full",
}
_BY_GRPC_CODE: dict[str, Kind] = {
    "UNAUTHENTICATED": "refused",
    "PERMISSION_DENIED": "refused",
    "NOT_FOUND": "missing",
    "DEADLINE_EXCEEDED": "timeout",
    "ALREADY_EXISTS": "exists",
    "RESOURCE_EXHAUSTED": "busy",
    "UNAVAILABLE": "broken",
    "ABORTED": "broken",
    "UNIMPLEMENTED": "foreign",
}
_BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"larger than (allowed|max)|message length too large|payload too large", re.I),
     "too-large"),
    (re.compile(r"index required but not found", re.I), "unindexed"),
    # Local mode has NumPy find out.
    (re.compile(r"vector dimension error|shapes .* not aligned", re.I), "dimension"),
    (re.compile(r"already exists", re.I), "exists"),
    (re.compile(r"collection .* (not found|doesn't exist)", re.I), "missing"),
    (re.compile(r"already accessed by another instance", re.I), "in-use"),
    (re.compile(r"storage locked", re.I), "locked"),
    (re.compile(r"(no|enough) active replica", re.I), "degraded"),
    (re.compile(r"no space left|out of disk|disk is full|usage is at \d+% of total", re.I), "full"),
)  # fmt: skip
_GRPC_UNREACHABLE = re.compile(r"failed to connect|resolution failed|errors resolving", re.I)
_RESET = re.compile(r"reset|aborted|broken pipe|UNEXPECTED_EOF", re.I)
_TLS_MISMATCH = re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER|HTTP_REQUEST|PACKET_LENGTH")

_AGAIN: frozenset[Kind] = frozenset(
    {"broken", "busy", "degraded", "gateway", "timeout", "unreachable"}
)

ANSWERS: frozenset[Kind] = frozenset(
    {
        "busy",
        "degraded",
        "dimension",
        "exists",
        "full",
        "locked",
        "missing",
        "refused",
        "too-large",
        "unindexed",
    }
)
"""What a server has said itself: it is there."""

_ADVICE: dict[Kind, str] = {
    "broken": "the connection breaks; is it the right port, and http:// or https:// as the server"
    " speaks? If so, call again",
    "busy": "the server is overloaded or limits requests; call again later",
    "certificate": "the server's certificate is not trusted; name a file with its authority in"
    " SSL_CERT_FILE, or use the host that it is issued to",
    "damaged": "its files cannot be read; restore the folder from a copy",
    "degraded": "nodes of the cluster are away; call again when they are back",
    "folder": "the folder cannot be used; see to its permissions, or name another one in path",
    "foreign": "this is not how Qdrant answers; check address and port, and that the server's"
    " version is near that of qdrant-client",
    "full": "the disk or the memory there is full; make room, and call again",
    "gateway": "what stands before the server has no answer from it; is the server running?",
    "in-use": "the folder is used by another process, and local mode admits one;"
    " end that process, or run a server",
    "locked": "the server is locked against writing by its operator",
    "refused": "the server refuses the API key, or the key may not do that;"
    " check api_key (such as XLINGUAL_STORES__NAME__API_KEY)",
    "timeout": "no answer in time; call again, or raise timeout_s",
    "tls": "the server speaks http:// at this port; correct the address",
    "too-large": "the server refuses a request of this size; see its max_request_size_mb",
    "unindexed": "the server filters by indexed fields only; declare the field in the schema",
    "unreachable": "no answer; is the server running, and are address and port right?",
}


def is_vendors(exc: Exception) -> bool:
    """Say whether an exception is the client's report; others are bugs, or warnings as errors.

    Local mode reports by ValueError, RuntimeError and what SQLite and the system raise. An
    answer without the part that was asked for is reported by a failing assertion.
    """
    if isinstance(exc, XlingualError | ValidationError | Warning):
        return False
    if isinstance(exc, AssertionError):
        return "returned None" in str(exc)
    reports = (ApiException, QdrantException, ValueError, RuntimeError, OSError, sqlite3.Error)
    return isinstance(exc, reports) or callable(getattr(exc, "code", None))


def fault_of(exc: Exception) -> Fault:
    """Say what kind of failure an exception of the vendor's client is."""
    match exc:
        case ResourceExhaustedResponse():
            return Fault("busy", str(exc), float(exc.retry_after_s))
        case QdrantException() if "Retry-After" in str(exc):
            # The client reads seconds only; a proxy may well send a date.
            after_s = retry_after_s(str(exc).rpartition(": ")[2])
            return Fault("busy", "429: too many requests", after_s)
        case UnexpectedResponse():
            return _answer_fault(exc)
        case ResponseHandlingException():
            return _transport_fault(exc.source)
        case _ if callable(code := getattr(exc, "code", None)):
            return _grpc_fault(exc, code())
        case json.JSONDecodeError() | UnicodeDecodeError() | AssertionError():
            return Fault("foreign", f"its answer is not the JSON that was asked for: {exc}")
        case _:
            detail = str(exc) or type(exc).__name__
            return Fault(_kind_by_words(detail) or _local_kind(exc), detail)


def verdict(fault: Fault) -> Verdict:
    """Say whether a request that failed so may be made again."""
    return Verdict(fault.kind in _AGAIN, fault.after_s)


def error(fault: Fault, where: str) -> StoreUnavailable:
    """Return the error of this library; `where` is the address without secrets."""
    words = _ADVICE.get(fault.kind)
    if fault.kind == "busy" and fault.after_s:
        words = f"{words}, it says in {fault.after_s:.0f} s"
    detail = f"{words} ({fault.detail})" if words else fault.detail
    match fault.kind:
        case "too-large":
            return RequestTooLarge(where, detail)
        case "timeout":
            return RequestTimedOut(where, detail)
        case "missing":
            return NotThere(where, detail)
        case "dimension":
            return WrongDimension(where, detail)
        case "unindexed":
            return IndexRequired(where, detail)
        case _:
            return StoreUnavailable(where, detail)


def _answer_fault(exc: UnexpectedResponse) -> Fault:
    """Tell answers other than 2xx apart: Qdrant's own, and those of whatever stands before it."""
    status, words = exc.status_code or 0, _server_words(exc.content)
    headers = cast("Mapping[str, str]", exc.headers)
    shown = f"{status}: {words}" if words else f"{status} {exc.reason_phrase}".strip()
    if 300 <= status < 400:
        target = urlsplit(headers.get("location", ""))
        leads_to = (
            f", which leads to {target.scheme}://{target.hostname}" if target.hostname else ""
        )
        return Fault("foreign", shown + leads_to)
    if (kind := _kind_by_words(shown)) is not None:
        return Fault(kind, shown)
    kind = _BY_STATUS.get(status, "other")
    if kind in ("missing", "other") and not _is_qdrants(exc.content):
        return Fault("foreign", shown)
    return Fault(kind, shown, retry_after_s(headers.get("retry-after", "")))


def _transport_fault(source: Exception) -> Fault:
    """Tell the errors of httpx apart; by name, since it is the client's dependency, not ours."""
    name, words = type(source).__name__, str(source) or type(source).__name__
    if isinstance(source, ValidationError):
        first = source.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return Fault("foreign", f"its answer cannot be read: {place}: {first['msg']}")
    if name == "ConnectError" and "CERTIFICATE_VERIFY_FAILED" in words:
        return Fault("certificate", words)
    if name == "ConnectError" and _TLS_MISMATCH.search(words):
        return Fault("tls", words)
    if name == "ConnectError" and _RESET.search(words):
        return Fault("broken", words)
    if name in ("ConnectTimeout", "ConnectError", "UnsupportedProtocol"):
        return Fault("unreachable", words)
    if name in ("ReadTimeout", "WriteTimeout", "PoolTimeout"):
        return Fault("timeout", words)
    if name == "RemoteProtocolError" and words.startswith("illegal"):
        return Fault("foreign", f"it does not speak HTTP: {words[:200]}")
    if name in ("ReadError", "WriteError", "CloseError", "RemoteProtocolError", "ProxyError"):
        return Fault("broken", words)
    if name == "DecodingError":
        return Fault("foreign", f"its answer cannot be read: {words[:300]}")
    return Fault("other", f"{name}: {words[:300]}")


def _grpc_fault(exc: Exception, code: Any) -> Fault:
    details = getattr(exc, "details", None)
    words = str(details()) if callable(details) else str(code)
    name = str(getattr(code, "name", code))
    kind = _kind_by_words(words) or _BY_GRPC_CODE.get(name, "other")
    if name == "UNAVAILABLE" and _GRPC_UNREACHABLE.search(words):
        kind = "unreachable"
    return Fault(kind, f"{name}: {words[:500]}")


def _local_kind(exc: Exception) -> Kind:
    """Tell apart what happens to the folder of local mode."""
    if isinstance(exc, OSError) or "readonly" in str(exc):
        return "folder"
    return "damaged" if isinstance(exc, sqlite3.DatabaseError) else "other"


def _server_words(content: bytes) -> str:
    """Return the error that the server wrote, cut to a sensible length."""
    try:
        words = str(cast("dict[str, Any]", json.loads(content))["status"]["error"])
    except (ValueError, KeyError, TypeError):
        words = content[:200].decode(errors="replace").strip()
    return words[:500]


def _is_qdrants(content: bytes) -> bool:
    try:
        answer: Any = json.loads(content)
    except ValueError:
        return False
    return isinstance(answer, dict) and "status" in answer


def _kind_by_words(words: str) -> Kind | None:
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(words)), None)
