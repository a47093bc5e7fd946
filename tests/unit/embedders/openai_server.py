"""A server of embeddings on this computer, which embeds with the bundled model, and can misbehave.

Answers and refusals have the shapes that the servers' documents and sources give:
OpenAI https://platform.openai.com/docs/api-reference/embeddings, TEI `router/src/http/types.rs`,
vLLM `vllm/entrypoints/openai/`, Ollama `openai/openai.go`, llama.cpp `tools/server/`.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from xlingual_adapters.embedders.static import StaticEmbedder

MODEL = "text-embedding-test"


@cache
def static() -> StaticEmbedder:
    return StaticEmbedder.open()


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def openai_error(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    """As OpenAI, vLLM and Ollama word their refusals."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Reply(status, {"error": error}, {k.replace("_", "-"): v for k, v in headers.items()})


def tei_error(status: int, message: str) -> Reply:
    """As text-embeddings-inference words its refusals."""
    return Reply(status, {"message": message, "code": status, "type": "Validation"})


Rule = Callable[[dict[str, Any]], Reply | None]
"""Looks at the body of a request; None: no objection."""


def at_most_texts(count: int) -> Rule:
    def rule(body: dict[str, Any]) -> Reply | None:
        size = len(body["input"])
        words = f"batch size {size} > maximum allowed batch size {count}"
        return tei_error(413, words) if size > count else None

    return rule


def embed(body: dict[str, Any], *, model: str | None = None) -> Reply:
    """A right answer."""
    vectors = static().embed_documents(body["input"])
    if "dimensions" in body:
        vectors = vectors[:, : body["dimensions"]]
    return answer(vectors, body, model=model)


def answer(vectors: NDArray[Any], body: dict[str, Any], *, model: str | None = None) -> Reply:
    in_base64 = body.get("encoding_format") == "base64"
    items = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.astype("<f4").tobytes()).decode()
            if in_base64
            else row.tolist(),
        }
        for index, row in enumerate(vectors)
    ]
    tokens = sum(len(text.split()) for text in body["input"])
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Reply(
        200,
        {"object": "list", "data": items, "model": model or body["model"], "usage": usage},
    )


class EmbeddingServer:
    """Answers rightly, but for the `plan` (one entry a request) and the rules."""

    def __init__(
        self,
        *plan: Reply | Callable[[dict[str, Any]], Reply],
        rules: tuple[Rule, ...] = (),
        embed: Callable[[dict[str, Any]], Reply] = embed,
        models: tuple[str, ...] = (MODEL,),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.plan, self.rules, self.embed, self.models = deque(plan), rules, embed, models
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self.bytes_sent = 0
        self.at_once = self.most_at_once = 0
        self.lock = Lock()
        self._server = _Threads(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def reply(self, body: dict[str, Any]) -> Reply:
        with self.lock:
            self.bodies.append(body)
            planned = self.plan.popleft() if self.plan else None
        if isinstance(planned, Reply):
            return planned
        if planned:
            return planned(body)
        objections = (rule(body) for rule in self.rules)
        return next((each for each in objections if each), None) or self.embed(body)

    @property
    def sizes(self) -> list[int]:
        return [len(body["input"]) for body in self.bodies]


class _Threads(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked may have gone without a word, which is what some tests are about."""


def _handler(server: EmbeddingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.paths.append(self.path)
                server.headers.append(dict(self.headers))
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            reply = server.reply(body)
            with server.lock:
                server.at_once -= 1
            self._send(reply)

        def do_GET(self) -> None:
            names = [{"id": name, "object": "model"} for name in server.models]
            found = self.path.endswith("/models") and bool(names)
            self._send(Reply(200 if found else 404, {"object": "list", "data": names}))

        def _send(self, reply: Reply) -> None:
            content = reply.content
            server.bytes_sent += len(content)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def nan_row(body: dict[str, Any]) -> Reply:
    vectors = static().embed_documents(body["input"])
    vectors[-1, 3] = np.nan
    return answer(vectors, {**body, "encoding_format": "float"})
