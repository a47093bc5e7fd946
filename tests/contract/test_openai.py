"""The embedder of OpenAI-compatible servers keeps the promises, over HTTP on this computer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from xlingual_adapters.embedders.openai.embedder import OpenAIEmbedder
from xlingual_adapters.embedders.openai.settings import OpenAISettings

from tests.unit.embedders.openai_server import MODEL, EmbeddingServer, openai_error
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.testing import EmbedderContract


def refuses_long(body: dict[str, object]) -> object:
    """As OpenAI does: a text that is too long is refused, and so is an empty one."""
    texts: list[str] = body["input"]  # type: ignore[assignment]
    for number, text in enumerate(texts):
        if not text:
            return openai_error(400, "'$.input' is invalid.")
        if len(text.split()) > 500:
            return openai_error(400, f"Invalid 'input[{number}]': maximum input length is 500")
    return None


class OnOneServer(EmbedderContract):
    settings: dict[str, object] = {}

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls) -> Iterator[EmbeddingServer]:
        with EmbeddingServer(rules=(refuses_long,) if "max_tokens" in cls.settings else ()) as one:
            cls.url = one.url
            yield one

    def open_embedder(self) -> Embedder:
        given = {"model": MODEL, "url": self.url, **self.settings}
        return OpenAIEmbedder(OpenAISettings.model_validate(given))


class TestOpenAIEmbedder(OnOneServer):
    settings = {"max_tokens": 500, "batch_size": 64}


class TestOpenAIEmbedderThatKnowsNoLimit(OnOneServer):
    settings = {"encoding": "float", "truncate_dim": 200}


class TestOpenAIEmbedderWithPrompts(OnOneServer):
    settings = {"prompts": {"query": "query: ", "document": "passage: "}, "max_tokens": 100}


del OnOneServer
