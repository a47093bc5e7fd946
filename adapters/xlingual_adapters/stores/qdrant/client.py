"""The connection: the vendor's client behind one method that retries and translates."""

from __future__ import annotations

import logging
import math
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version as installed
from threading import Lock, RLock
from typing import Any, TypeVar

from pydantic import ValidationError
from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant import faults, grpc_port, versions
from xlingual_adapters.stores.qdrant.settings import (
    DEFAULT_PORT,
    QdrantSettings,
    split_url,
)
from xlingual_qdrant.errors import SettingsError, StoreUnavailable
from xlingual_qdrant.servers import RetryPolicy, Verdict, Waiting, is_loopback, retrying

T = TypeVar("T")

_log = logging.getLogger(__name__)

_CONNECT_S = 5.0
"""A server that can be reached takes a connection within this, wherever it is."""
_BREAKS_AT_FIRST = 3
"""Connections that may break before the first answer; then the port is likely a wrong one."""
_NOTED = 5
"""The attempt that is told of, and the seconds of a Retry-After that are."""
_HIDDEN = "**********"
_UNREADABLE = (AttributeError, EOFError, LookupError, TypeError, ValidationError)
"""With UnpicklingError, what local mode meets in a folder that is damaged, or not its own."""
_NO_PROXIES: dict[str, Any] = {"mounts": dict.fromkeys(("all://", "http://", "https://"))}


class Connection:
    """One client for a store and its collections. Safe to use from several threads."""

    def __init__(self, settings: QdrantSettings, *, waiting: Waiting | None = None) -> None:
        self.settings = settings
        self.where = settings.where
        self.is_local = settings.is_local
        self.consistency = _consistency(settings)
        self.removals: Counter[str] = Counter()
        """How often a collection of a name on the server was removed by way of this object."""
        self._policy = RetryPolicy(settings.retry_for_s)
        self._waiting = waiting
        # Local mode is plain Python over shared lists: one call at a time.
        self._turn: AbstractContextManager[object] = RLock() if self.is_local else nullcontext()
        self._reached = self.is_local
        """Whether a server has been met at this address."""
        self._compared = self.is_local
        self._comparing = Lock()
        self._client = _open(settings)

    def ask(self, request: Callable[[QdrantClient], T], *, patient: bool = True) -> T:
        """Make a request, again where that may help; raises StoreUnavailable.

        patient: a request that timed out is repeated; False where the caller has a better idea.
        A server that has never answered is not waited for: its address is likely wrong.
        """
        client = self._opened()
        failures = 0

        def attempt() -> T:
            with self._turn:
                return request(client)

        def judge(exc: Exception) -> Verdict:
            nonlocal failures
            if not faults.is_vendors(exc):
                return Verdict(again=False)
            failures += 1
            fault = _fault(exc, self.settings)
            if fault.kind == "timeout" and not patient:
                return Verdict(again=False)
            self._reached = self._reached or fault.kind in faults.ANSWERS
            if not self._reached and (
                fault.kind == "unreachable"
                or (fault.kind in ("broken", "gateway") and failures > _BREAKS_AT_FIRST)
            ):
                return Verdict(again=False)
            verdict = faults.verdict(fault)
            if verdict.again:
                # Once it takes seconds, whoever waits is told why.
                is_long = failures == _NOTED or (verdict.after_s or 0) > _NOTED
                _log.log(
                    logging.WARNING if is_long else logging.INFO,
                    "%s: attempt %d has failed (%s); it goes on for up to %g s",
                    self.where, failures, fault.detail, self.settings.retry_for_s,
                )  # fmt: skip
            return verdict

        try:
            answer = retrying(attempt, judge, self._policy, self._waiting)
        except Exception as exc:
            if not faults.is_vendors(exc):
                raise
            fault = _fault(exc, self.settings)
        else:
            self._compare_versions()
            return answer
        # Out here it has no context: that may hold the request, and that the key.
        raise faults.error(fault, self.where)

    def ask_once(self, request: Callable[[QdrantClient], T]) -> T | faults.Fault:
        """Make a request a single time, and return the fault if it fails."""
        client = self._opened()
        try:
            with self._turn:
                answer = request(client)
        except Exception as exc:
            if not faults.is_vendors(exc):
                raise
            return _fault(exc, self.settings)
        self._compare_versions()
        return answer

    def version(self) -> str | None:
        """Return the server's version; None in local mode, and where it is not told."""
        if self.is_local:
            return None
        answer = self.ask_once(lambda client: client.info())
        return None if isinstance(answer, faults.Fault) else answer.version

    def close(self) -> None:
        """Close the client; twice is harmless."""
        client, self._client = self._client, None
        if client is not None:
            with self._turn:
                client.close()

    def _opened(self) -> QdrantClient:
        if self._client is None:
            raise StoreUnavailable(self.where, "the store is closed; open it again")
        return self._client

    def _compare_versions(self) -> None:
        """When the first answer has come: warn if server and client are far apart."""
        self._reached = True
        with self._comparing:
            if self._compared:
                return
            self._compared = True
        theirs, ours = self.version(), installed("qdrant-client")
        if theirs is not None and (advice := versions.skew(ours, theirs)):
            _log.warning(
                "%s is Qdrant %s, and qdrant-client is %s: more than one minor version lies between"
                " them, so they may misunderstand each other; %s",
                self.where,
                theirs,
                ours,
                advice,
            )


def _open(settings: QdrantSettings) -> QdrantClient | None:
    _check_key(settings)
    try:
        if settings.path is not None:
            return QdrantClient(path=str(settings.path), force_disable_check_same_thread=True)
        if settings.location is not None:
            return QdrantClient(location=settings.location)
        return _remote(settings)
    except Exception as exc:
        name = type(exc).__name__
        if settings.path and (isinstance(exc, _UNREADABLE) or name == "UnpicklingError"):
            fault = faults.Fault("damaged", f"{name}: {str(exc)[:200]}")
        elif faults.is_vendors(exc):
            fault = _fault(exc, settings)
        else:
            raise
    raise faults.error(fault, settings.where)


def _remote(settings: QdrantSettings) -> QdrantClient:
    key = settings.api_key
    # What does not leave this host must not take the way over a proxy, nor must its key.
    direct = is_loopback(split_url(settings.url or "").hostname or "")
    with warnings.catch_warnings():
        # Plain HTTP with a key has been allowed by the settings, or does not leave this host.
        warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
        client = QdrantClient(
            url=settings.url,
            port=DEFAULT_PORT,
            grpc_port=settings.grpc_port,
            prefer_grpc=grpc_port.is_preferred(settings),
            api_key=None if key is None else key.get_secret_value(),
            timeout=math.ceil(settings.timeout_s),
            check_compatibility=False,
            grpc_options={"grpc.enable_http_proxy": 0} if direct else None,
            **(_NO_PROXIES if direct else {}),
        )
    client.http.client.add_middleware(_in_time(settings.timeout_s))
    return client


def _in_time(timeout_s: float) -> Callable[[Any, Callable[[Any], Any]], Any]:
    """Bound the phases of a request; the client itself knows one number of whole seconds."""
    limits = {"connect": min(timeout_s, _CONNECT_S), "read": timeout_s, "write": timeout_s}

    def bounded(request: Any, send: Callable[[Any], Any]) -> Any:
        request.extensions["timeout"] = {**request.extensions["timeout"], **limits}
        return send(request)

    return bounded


def _check_key(settings: QdrantSettings) -> None:
    """Refuse a key that no header can carry; the libraries below would show it in their errors."""
    key = "" if settings.api_key is None else settings.api_key.get_secret_value()
    if not (key.isascii() and key.isprintable() and key == key.strip()):
        raise SettingsError(
            f"the api_key for {settings.where} has a line break, a space at an end, or a character"
            " beyond ASCII; set it anew, such as from a file without its last line break"
        )


def _fault(exc: Exception, settings: QdrantSettings) -> faults.Fault:
    """Say what an exception of the client is; the key is not in it, whoever repeats it."""
    fault = faults.fault_of(exc)
    if settings.is_local and fault.kind == "foreign":
        return faults.Fault("damaged", str(exc))
    key = "" if settings.api_key is None else settings.api_key.get_secret_value()
    for form in {key, repr(key)[1:-1]} - {""}:
        fault = fault._replace(detail=fault.detail.replace(form, _HIDDEN))
    return fault


def _consistency(settings: QdrantSettings) -> models.ReadConsistency | None:
    if isinstance(settings.consistency, str):
        return models.ReadConsistencyType(settings.consistency)
    return settings.consistency
