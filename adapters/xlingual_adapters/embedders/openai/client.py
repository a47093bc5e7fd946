"""The connection: one HTTP client behind a method that repeats, translates and hides secrets."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import BoundedSemaphore, Event, Lock
from typing import Any, Literal, TypeAlias, cast

import httpx

from xlingual_adapters.embedders.openai import answers, faults
from xlingual_adapters.embedders.openai.batches import Request
from xlingual_adapters.embedders.openai.faults import Failed, Fault
from xlingual_adapters.embedders.openai.settings import OpenAISettings
from xlingual_qdrant.errors import EmbedderUnavailable, SettingsError, did_you_mean
from xlingual_qdrant.servers import RetryPolicy, Verdict, Waiting, is_loopback, retrying

Role: TypeAlias = Literal["query", "document"]

_log = logging.getLogger(__name__)

_CONNECT_S = 5.0
"""A server that can be reached takes a connection within this, wherever it is."""
_NOTED = 5
"""The attempt that is told of, and the seconds of a Retry-After that are."""
_MODELS_SHOWN = 10
_NO_PROXIES: dict[str, None] = dict.fromkeys(("all://", "http://", "https://"))


class Stopped(Exception):
    """Whoever asked does not wait any more."""


class Connection:
    """One client for an embedder. Safe to use from several threads."""

    def __init__(self, settings: OpenAISettings, *, waiting: Waiting | None = None) -> None:
        self.settings = settings
        self.where = settings.where
        self._endpoint = settings.endpoint
        self.requests = 0
        self.tokens = 0
        """What the server has counted so far."""
        self._waiting = waiting
        self._policy = RetryPolicy(settings.retry_for_s)
        self._turns = BoundedSemaphore(settings.parallel)
        self._lock = Lock()
        self._reached = False
        """Whether a server has been met at this address."""
        self._in_base64 = settings.encoding != "float"
        self._base64_works = settings.encoding == "base64"
        self._client = _open(settings)
        self._secrets = settings.secrets()

    def ask(self, request: Request, role: Role, stop: Event) -> answers.Answer:
        """Return the answer to a request, made again where that may help.

        Raises Failed, InvalidVectors, and Stopped when `stop` is set before it is over.
        """
        in_base64 = self._in_base64
        try:
            content = self._send(request.texts, role, stop, in_base64=in_base64)
        except Failed as exc:
            # Refusals of a field that is not known are worded in too many ways to be recognised.
            if self._base64_works or not in_base64 or exc.fault.kind not in ("encoding", "other"):
                raise
            content = self._send(request.texts, role, stop, in_base64=False)
            self._in_base64 = False
            _log.info("%s does not know base64; its vectors come as numbers", self.where)
        try:
            answer = answers.read(content, request, self.where)
        except Failed as exc:
            raise Failed(faults.without_secrets(exc.fault, self._secrets)) from None
        with self._lock:
            self._base64_works = self._base64_works or (in_base64 and self._in_base64)
            self.requests += 1
            self.tokens += answer.tokens
        return answer

    def error(self, fault: Fault) -> EmbedderUnavailable:
        """Return the error of this library; for a missing model it names those there."""
        known = self._models() if fault.kind == "missing" else []
        # A server that lists the model has it; then something else is not there.
        if known and self.settings.model not in known:
            hint = did_you_mean(self.settings.model, known)
            shown = ", ".join(known[:_MODELS_SHOWN]) + (
                ", ..." if len(known) > _MODELS_SHOWN else ""
            )
            detail = f"{fault.detail}.{hint} The server has: {shown}"
            return EmbedderUnavailable(
                self.where, f"no model '{self.settings.model}' there ({detail})"
            )
        return faults.error(fault, self.where)

    def close(self) -> None:
        """Close the client; twice is harmless."""
        self._client.close()

    @property
    def client(self) -> httpx.Client:
        """What is to be closed when the embedder is gone."""
        return self._client

    def _send(self, texts: Sequence[str], role: Role, stop: Event, *, in_base64: bool) -> bytes:
        body = self._body(texts, role, in_base64=in_base64)
        failures = 0

        def attempt() -> bytes:
            if stop.is_set():
                raise Stopped
            return self._request("POST", self._endpoint, body, self.settings.timeout_s)

        def judge(exc: Exception) -> Verdict:
            nonlocal failures
            if not isinstance(exc, Failed):
                return Verdict(again=False)
            failures += 1
            # A server that has never answered is not waited for: its address is likely wrong.
            if exc.fault.kind == "unreachable" and not self._reached:
                return Verdict(again=False)
            verdict = faults.verdict(exc.fault)
            if verdict.again:
                is_long = failures == _NOTED or (verdict.after_s or 0) > _NOTED
                _log.log(
                    logging.WARNING if is_long else logging.INFO,
                    "%s: attempt %d has failed (%s); it goes on for up to %g s",
                    self.where, failures, exc.fault.detail, self.settings.retry_for_s,
                )  # fmt: skip
            return verdict

        return retrying(attempt, judge, self._policy, self._until(stop))

    def _until(self, stop: Event) -> Waiting:
        """Return a way to wait that ends when somebody says so."""
        pause: Callable[[float], object] = self._waiting.sleep if self._waiting else stop.wait

        def sleep(seconds: float) -> None:
            pause(seconds)
            if stop.is_set():
                raise Stopped

        return replace(self._waiting or Waiting(), sleep=sleep)

    def _body(self, texts: Sequence[str], role: Role, *, in_base64: bool) -> bytes:
        body: dict[str, Any] = {
            **getattr(self.settings.fields, role),
            "model": self.settings.model,
            "input": list(texts),
        }
        if self.settings.dimensions:
            body["dimensions"] = self.settings.dimensions
        if in_base64:
            # The other format is never named: it is the default, and Voyage refuses its name.
            body["encoding_format"] = "base64"
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    def _request(self, method: str, url: str, body: bytes | None, timeout_s: float) -> bytes:
        """Make one request; raises Failed."""
        limits = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S), pool=None)
        received = bytearray()
        try:
            with self._turns:
                deadline = time.monotonic() + timeout_s
                with self._client.stream(method, url, content=body, timeout=limits) as response:
                    self._reached = True
                    for part in response.iter_bytes():
                        received += part
                        # The client's own limit is per packet, and they may drip.
                        if time.monotonic() > deadline:
                            raise Failed(Fault("timeout", f"not whole after {timeout_s:g} s"))
        except httpx.HTTPError as exc:
            fault = faults.of_transport(exc)
        except RuntimeError as exc:
            if not self._client.is_closed:
                raise
            fault = Fault("other", f"the embedder is closed; load it again ({exc})")
        else:
            if response.is_success:
                return bytes(received)
            fault = faults.of_answer(
                response.status_code, response.reason_phrase, response.headers, bytes(received)
            )
        # Out here it has no context: that may hold the request, and that the key.
        raise Failed(faults.without_secrets(fault, self._secrets))

    def _models(self) -> list[str]:
        """Return the names of the server's models; none if it does not tell."""
        try:
            content = self._request("GET", self.settings.models_url, None, _CONNECT_S)
            models: Any = json.loads(content)
        except (Failed, ValueError):
            return []
        items: Any = (
            cast("dict[str, Any]", models).get("data") if isinstance(models, dict) else None
        )
        if not isinstance(items, list):
            return []
        named = (
            cast("dict[str, Any]", item).get("id")
            for item in cast("list[Any]", items)
            if isinstance(item, dict)
        )
        return sorted(name for name in named if isinstance(name, str))


def _open(settings: OpenAISettings) -> httpx.Client:
    is_here = is_loopback(settings.host)
    # To read the certificates of the system takes longer than to embed a text.
    verify: ssl.SSLContext | bool = not (is_here and settings.url.startswith("http://"))
    if settings.ca_file:
        try:
            verify = ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as exc:
            words = getattr(exc, "strerror", None) or str(exc)
            raise SettingsError(f"ca_file {settings.ca_file} cannot be used: {words}") from None
    return httpx.Client(
        headers=settings.all_headers(),
        verify=verify,
        limits=httpx.Limits(
            max_connections=settings.parallel, max_keepalive_connections=settings.parallel
        ),
        # What does not leave this host must not take the way over a proxy, nor must its key.
        mounts=_NO_PROXIES if is_here else None,
    )
