"""The connection: the vendor's client behind one method that retries and translates."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import TypeVar

from qdrant_client import QdrantClient, models

from xlingual_adapters.stores.qdrant import faults
from xlingual_adapters.stores.qdrant.retries import RetryPolicy, Verdict, retrying
from xlingual_adapters.stores.qdrant.settings import DEFAULT_PORT, QdrantSettings
from xlingual_qdrant.errors import StoreUnavailable

T = TypeVar("T")


class Connection:
    """One client for a store and its collections. Safe to use from several threads."""

    def __init__(self, settings: QdrantSettings) -> None:
        self.settings = settings
        self.where = settings.where
        self.is_local = settings.is_local
        self.consistency = _consistency(settings)
        self._policy = RetryPolicy(settings.retry_for_s)
        # Local mode is plain Python over shared lists: one call at a time.
        self._turn: AbstractContextManager[object] = RLock() if self.is_local else nullcontext()
        self._answered = self.is_local
        self._client = _open(settings)

    def ask(self, request: Callable[[QdrantClient], T], *, patient: bool = True) -> T:
        """Make a request, again where that may help; raises StoreUnavailable.

        patient: a request that timed out is repeated; False where the caller has a better idea.
        A server that has never answered is not waited for: its address is likely wrong.
        """
        client = self._opened()

        def attempt() -> T:
            with self._turn:
                return request(client)

        def judge(exc: Exception) -> Verdict:
            if not faults.is_vendors(exc):
                return Verdict(again=False)
            kind = faults.fault_of(exc).kind
            if kind == "unreachable" and not self._answered:
                return Verdict(again=False)
            if kind == "timeout" and not patient:
                return Verdict(again=False)
            return faults.verdict(exc)

        try:
            answer = retrying(attempt, judge, self._policy)
        except Exception as exc:
            if not faults.is_vendors(exc):
                raise
            # Its context may hold the request, and that the key.
            raise faults.translate(exc, self.where) from None
        self._answered = True
        return answer

    def ask_once(self, request: Callable[[QdrantClient], T]) -> T | faults.Fault:
        """Make a request a single time, and return the fault if it fails."""
        client = self._opened()
        try:
            with self._turn:
                answer = request(client)
        except Exception as exc:
            if not faults.is_vendors(exc):
                raise
            return faults.fault_of(exc)
        self._answered = True
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


def _open(settings: QdrantSettings) -> QdrantClient | None:
    try:
        if settings.path is not None:
            return QdrantClient(path=str(settings.path), force_disable_check_same_thread=True)
        if settings.location is not None:
            return QdrantClient(location=settings.location)
        key = settings.api_key
        with warnings.catch_warnings():
            # Plain HTTP with a key has been allowed by the settings, or does not leave this host.
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection")
            return QdrantClient(
                url=settings.url,
                port=DEFAULT_PORT,
                grpc_port=settings.grpc_port,
                prefer_grpc=settings.prefer_grpc,
                api_key=None if key is None else key.get_secret_value(),
                timeout=math.ceil(settings.timeout_s),
                check_compatibility=False,
            )
    except Exception as exc:
        if not faults.is_vendors(exc):
            raise
        raise faults.translate(exc, settings.where) from None


def _consistency(settings: QdrantSettings) -> models.ReadConsistency | None:
    if isinstance(settings.consistency, str):
        return models.ReadConsistencyType(settings.consistency)
    return settings.consistency
