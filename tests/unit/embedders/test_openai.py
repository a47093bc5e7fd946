"""The embedder of OpenAI-compatible servers: what it asks, what it makes of the answers."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import sleep
from typing import Any

import numpy as np
import pytest
from xlingual_adapters.embedders.openai.embedder import OpenAIEmbedder
from xlingual_adapters.embedders.openai.settings import OpenAISettings

from tests.unit.embedders.openai_server import (
    MODEL,
    EmbeddingServer,
    Reply,
    Rule,
    answer,
    at_most_texts,
    embed,
    nan_row,
    openai_error,
    static,
    tei_error,
)
from xlingual_qdrant.errors import EmbedderUnavailable, InvalidInput, InvalidVectors, TextTooLong
from xlingual_qdrant.schema import PROBES

TEXTS = [f"{probe} {number}" for number in range(20) for probe in PROBES]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with EmbeddingServer() as server:
        yield server


def embedder_for(server: EmbeddingServer, **values: object) -> OpenAIEmbedder:
    given = {"model": MODEL, "url": server.url, "retry_for_s": 0, **values}
    return OpenAIEmbedder(OpenAISettings.model_validate(given))


def assert_right(embedder: OpenAIEmbedder, texts: list[str] = TEXTS) -> None:
    expected = static().embed_documents(texts)
    np.testing.assert_allclose(embedder.embed_documents(texts), expected, atol=1e-6)


# What is asked.


def test_a_request_has_model_and_texts_and_asks_for_base64(server: EmbeddingServer) -> None:
    assert_right(embedder_for(server, api_key="secret-key"))
    assert server.paths == ["/v1/embeddings"]
    assert server.bodies == [{"model": MODEL, "input": TEXTS, "encoding_format": "base64"}]
    assert server.headers[0]["Authorization"] == "Bearer secret-key"


def test_without_a_key_none_is_sent(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-openai-alone")
    assert_right(embedder_for(server))
    assert "Authorization" not in server.headers[0]
    assert "of-openai-alone" not in str(server.headers)


def test_the_key_may_have_a_header_of_its_own_and_other_headers_beside_it(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_KEY", "azure-key")
    settings = {"api_key_env": "AZURE_KEY", "key_header": "api-key", "headers": {"X-Team": "seven"}}
    assert_right(embedder_for(server, **settings))
    assert server.headers[0]["api-key"] == "azure-key"
    assert server.headers[0]["X-Team"] == "seven"
    assert "Authorization" not in server.headers[0]


def test_prompts_and_fields_go_by_role(server: EmbeddingServer) -> None:
    embedder = embedder_for(
        server,
        prompts={"query": "query: "},
        fields={"document": {"input_type": "document"}, "query": {"input_type": "query"}},
    )
    embedder.embed_queries(["a"])
    embedder.embed_documents(["a"])
    assert [body["input"] for body in server.bodies] == [["query: a"], ["a"]]
    assert [body["input_type"] for body in server.bodies] == ["query", "document"]
    assert embedder.fingerprint.prompts == {
        "query": "query: (input_type='query')",
        "document": "(input_type='document')",
    }


def test_dimensions_are_asked_for_and_checked(server: EmbeddingServer) -> None:
    embedder = embedder_for(server, dimensions=64)
    assert embedder.dimension == 64
    assert server.bodies[0]["dimensions"] == 64
    server.embed = lambda body: answer(static().embed_documents(body["input"]), body)
    ignored = embedder_for(server, dimensions=64)
    with pytest.raises(InvalidVectors, match=r"for 64 dimensions and returned 256.*truncate"):
        ignored.embed_documents(["a"])


def test_vectors_can_be_cut_here(server: EmbeddingServer) -> None:
    embedder = embedder_for(server, truncate_dim=64)
    expected = static().embed_documents(TEXTS)[:, :64]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed_documents(TEXTS), expected, atol=1e-6)
    assert embedder.fingerprint.dimension == 64
    with pytest.raises(InvalidVectors, match="256 dimensions, fewer than truncate_dim = 300"):
        embedder_for(server, truncate_dim=300).embed_documents(["a"])


def test_the_probes_are_asked_for_once(server: EmbeddingServer) -> None:
    embedder = embedder_for(server)
    with ThreadPoolExecutor(4) as pool:
        [first, *others] = pool.map(lambda _: embedder.fingerprint, range(8))
    assert all(other is first for other in others)
    assert embedder.dimension == first.dimension == 256
    assert embedder.embed_documents([]).shape == (0, 256)
    assert server.sizes == [len(PROBES)]
    assert (first.kind, first.model, first.revision) == ("openai", MODEL, "")


def test_the_revision_is_what_the_server_calls_the_model() -> None:
    with EmbeddingServer(embed=lambda body: embed(body, model=f"{MODEL}-v2")) as server:
        assert embedder_for(server).fingerprint.revision == f"{MODEL}-v2"


def test_the_same_model_at_another_address_is_the_same(server: EmbeddingServer) -> None:
    with EmbeddingServer() as other:
        one, another = embedder_for(server).fingerprint, embedder_for(other).fingerprint
    assert one.compare(another) == ("same", "")


def test_tokens_are_counted(server: EmbeddingServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "xlingual_adapters")
    with embedder_for(server, batch_size=2) as embedder:
        embedder.embed_documents(["one two three", "four five", "six"])
        assert (embedder.tokens_used, embedder.requests_made) == (6, 2)
    assert "6 tokens in 2 requests" in caplog.text
    embedder.close()
    with pytest.raises(EmbedderUnavailable, match="closed; load it again"):
        embedder.embed_documents(["a"])


def test_blank_texts_are_not_sent(server: EmbeddingServer) -> None:
    vectors = embedder_for(server).embed_documents(["", "a", " \n"])
    assert server.bodies[0]["input"] == ["a"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    assert abs(vectors[0] @ vectors[1]) < 0.2


def test_half_a_surrogate_pair_is_named_before_anything_is_sent(server: EmbeddingServer) -> None:
    with pytest.raises(InvalidInput, match=r"text 1 has half a surrogate pair, U\+D800, at char"):
        embedder_for(server).embed_documents(["a", "b\ud800"])
    assert server.bodies == []


# Several requests.


def test_many_texts_go_in_several_requests_at_once_and_come_in_order() -> None:
    meeting = Barrier(3, timeout=10)

    def together(body: dict[str, Any]) -> Reply:
        if len(body["input"]) == 40:
            meeting.wait()
        return embed(body)

    with EmbeddingServer(embed=together) as server:
        assert_right(embedder_for(server, batch_size=40, parallel=3))
        assert sorted(server.sizes) == [40, 40, 40]
        assert server.most_at_once == 3


def test_no_more_requests_at_once_than_allowed_however_many_threads_ask() -> None:
    def slow(body: dict[str, Any]) -> Reply:
        sleep(0.01)
        return embed(body)

    with EmbeddingServer(embed=slow) as server:
        embedder = embedder_for(server, batch_size=10, parallel=2)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: assert_right(embedder), range(4)))
        assert server.most_at_once == 2


def test_to_wait_for_ones_turn_is_no_timeout() -> None:
    def slow(body: dict[str, Any]) -> Reply:
        sleep(0.2)
        return embed(body)

    with EmbeddingServer(embed=slow) as server:
        embedder = embedder_for(server, parallel=1, timeout_s=0.9)
        with ThreadPoolExecutor(6) as pool:
            vectors = list(pool.map(lambda n: embedder.embed_documents([f"text {n}"]), range(6)))
    assert len(vectors) == 6


def test_a_request_has_no_more_tokens_than_allowed(server: EmbeddingServer) -> None:
    texts = ["word " * 100] * 10 + ["word"]
    assert_right(embedder_for(server, batch_tokens=1000, parallel=1), texts)
    assert server.sizes == [4, 4, 3]


def test_answers_may_come_out_of_order() -> None:
    def shuffled(body: dict[str, Any]) -> Reply:
        right = embed(body)
        right.body["data"].reverse()
        return right

    with EmbeddingServer(embed=shuffled) as server:
        assert_right(embedder_for(server))


def test_answers_without_numbers_are_in_order() -> None:
    def bare(body: dict[str, Any]) -> Reply:
        right = embed(body)
        data = [{"embedding": item["embedding"]} for item in right.body["data"]]
        return Reply(200, {"data": data, "usage": ["none"]})

    with EmbeddingServer(embed=bare) as server:
        embedder = embedder_for(server)
        assert_right(embedder)
        assert embedder.tokens_used == 0


# Base64.


def test_base64_that_is_ignored_is_no_trouble() -> None:
    """TEI, LM Studio and others answer with numbers whatever they are asked."""
    with EmbeddingServer(embed=lambda body: embed({**body, "encoding_format": "float"})) as server:
        assert_right(embedder_for(server))


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "encoding_format"]}]}),
        Reply(400, b"Bad Request"),
        openai_error(400, "encoding_format: base64 is not supported by this model"),
    ],
    ids=["fastapi", "wordless", "worded"],
)
def test_base64_that_is_refused_is_not_asked_for_again(refusal: Reply) -> None:
    def rule(body: dict[str, Any]) -> Reply | None:
        return refusal if "encoding_format" in body else None

    with EmbeddingServer(rules=(rule,)) as server:
        embedder = embedder_for(server, batch_size=60, parallel=2)
        assert_right(embedder)
        assert_right(embedder)
        assert sum("encoding_format" in body for body in server.bodies) <= 2
        with pytest.raises(EmbedderUnavailable, match=str(refusal.status)):
            embedder_for(server, encoding="base64").embed_documents(["a"])


def test_numbers_can_be_asked_for_and_are_the_same(server: EmbeddingServer) -> None:
    by_numbers, by_base64 = embedder_for(server, encoding="float"), embedder_for(server)
    assert_right(by_numbers)
    numbers, server.bytes_sent = server.bytes_sent, 0
    assert_right(by_base64)
    assert server.bytes_sent < 0.4 * numbers


# Sizes.


def test_a_limit_that_the_server_names_is_kept_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with EmbeddingServer(rules=(at_most_texts(32),)) as server:
        embedder = embedder_for(server, parallel=1)
        assert_right(embedder)
        assert server.sizes == [120, 32, 32, 32, 24]
        assert_right(embedder)
        assert server.sizes[5:] == [32, 32, 32, 24]
    assert "set batch_size = 32" in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        "Too many inputs in request, split into more batches.",
        "<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should"
        " not be larger than 10.: input.contents",
        "Invalid 'input': array too long. Expected an array with maximum length 10, but instead"
        " got an array with length 120 instead.",
        "BatchEmbedContentsRequest.requests: at most 10 requests can be in one batch",
    ],
)
def test_too_many_texts_are_divided_whatever_the_words(message: str) -> None:
    def rule(body: dict[str, Any]) -> Reply | None:
        return openai_error(400, message) if len(body["input"]) > 10 else None

    with EmbeddingServer(rules=(rule,)) as server:
        assert_right(embedder_for(server))


def tokens_rule(most: int, refusal: Reply) -> Rule:
    def rule(body: dict[str, Any]) -> Reply | None:
        return refusal if sum(len(text.split()) for text in body["input"]) > most else None

    return rule


@pytest.mark.parametrize(
    "refusal",
    [
        openai_error(
            400, "Requested 453357 tokens, max 300000 tokens per request", "max_tokens_per_request"
        ),
        Reply(400, {"detail": "The max allowed tokens per submitted batch is 120000. Your batch"}),
        Reply(413, b"<html><center><h1>413 Request Entity Too Large</h1></center>nginx</html>"),
        Reply(413, b"Failed to buffer the request body: length limit exceeded"),
    ],
    ids=["openai", "voyage", "nginx", "tei"],
)
def test_a_request_that_is_too_large_is_divided_and_the_size_that_works_is_kept(
    refusal: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddingServer(rules=(tokens_rule(150, refusal),)) as server:
        embedder = embedder_for(server, parallel=1)
        assert_right(embedder)
        asked = len(server.sizes)
        assert_right(embedder)
        # Nothing is refused the second time.
        assert sum(server.sizes[asked:]) == len(TEXTS)
    assert "set batch_tokens = " in caplog.text


LONG_WORDS = [
    openai_error(400, "This model's maximum context length is 8192 tokens, however you requested"
                      " 8610 tokens (8610 in your prompt; 0 for the completion)."),
    tei_error(413, "`inputs` must have less than 512 tokens. Given: 596"),
    openai_error(400, "the input length exceeds the context length"),
    Reply(500, {"error": {"code": 500, "message": "input (596 tokens) is too large to process."
                          " increase the physical batch size", "type": "server_error"}}),
]  # fmt: skip


@pytest.mark.parametrize("refusal", LONG_WORDS, ids=["openai", "tei", "ollama", "llama.cpp"])
def test_a_text_that_is_too_long_is_named(refusal: Reply) -> None:
    def rule(body: dict[str, Any]) -> Reply | None:
        return refusal if max(len(text.split()) for text in body["input"]) > 50 else None

    texts = [*TEXTS[:70], "much too long " * 20, *TEXTS[70:]]
    with EmbeddingServer(rules=(rule,)) as server:
        embedder = embedder_for(server, retry_for_s=60)
        with pytest.raises(
            TextTooLong, match=r"text 70 \('much too .*, of 280 char.*set max_tok"
        ) as caught:
            embedder.embed_documents(texts)
        assert caught.value.characters == 280
        # Nothing has been learnt that would slow down the others.
        asked = len(server.sizes)
        assert_right(embedder)
        assert server.sizes[asked:] == [120]
        with pytest.raises(TextTooLong, match="max_tokens is 100 and can only be estimated"):
            embedder_for(server, max_tokens=100).embed_documents(texts)
        cut = embedder_for(server, max_tokens=50)
        cut.embed_documents(texts)
        assert np.flatnonzero(cut.truncated(texts)).tolist() == [70]


def test_a_text_that_the_server_points_at_is_named_at_once() -> None:
    refusal = openai_error(400, "Invalid 'input[70]': maximum input length is 8192 tokens.")
    with (
        EmbeddingServer(refusal) as server,
        pytest.raises(TextTooLong, match="refuses text 70"),
    ):
        embedder_for(server).embed_documents(TEXTS)
    assert server.sizes == [120]


# Answers that do not fit.


def wrong_count(body: dict[str, Any]) -> Reply:
    return embed({**body, "input": body["input"][1:]})


def twice_the_same(body: dict[str, Any]) -> Reply:
    right = embed(body)
    right.body["data"][0]["index"] = 1
    return right


def ragged(body: dict[str, Any]) -> Reply:
    right = embed(body)
    right.body["data"][0]["embedding"] = right.body["data"][0]["embedding"][:-16]
    return right


def zeros(body: dict[str, Any]) -> Reply:
    vectors = static().embed_documents(body["input"])
    vectors[1] = 0
    return answer(vectors, body)


def of(embedding: object) -> Any:
    def act(body: dict[str, Any]) -> Reply:
        items = [{"index": i, "embedding": embedding} for i in range(len(body["input"]))]
        return Reply(200, {"data": items})

    return act


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (wrong_count, "returned 2 vectors for 3 texts"),
        (twice_the_same, "not numbered 0 to 2"),
        (ragged, "no list of vectors of one length"),
        (zeros, "a vector of zeros, for text 1 "),
        (nan_row, "not finite, for text 2 \\('c'\\)"),
        (of(None), "no embedding for text 0 "),
        (of([]), "no list of vectors"),
        (of(["x"]), "no list of vectors"),
        (of([[1.0]]), "no list of vectors"),
        (of("not base64!"), "no list of vectors"),
        (of("AAA="), "no list of vectors"),
        (of({}), "no list of vectors"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(act: Any, words: str) -> None:
    with EmbeddingServer(embed=act) as server, pytest.raises(InvalidVectors, match=words):
        embedder_for(server).embed_documents(["a", "b", "c"])


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 7.0, 1e30])
def test_vectors_of_any_length_are_brought_to_one(scale: float) -> None:
    def act(body: dict[str, Any]) -> Reply:
        return answer(static().embed_documents(body["input"]) * np.float32(scale), body)

    with EmbeddingServer(embed=act) as server:
        assert_right(embedder_for(server))
        assert_right(embedder_for(server, encoding="float"))


def test_another_dimension_than_before_is_refused(server: EmbeddingServer) -> None:
    embedder = embedder_for(server)
    assert_right(embedder)
    server.embed = lambda body: embed({**body, "dimensions": 64})
    with pytest.raises(InvalidVectors, match="256 dimensions before, and now of 64"):
        embedder.embed_documents(["a"])


def test_a_number_in_the_middle_of_a_long_list_is_named_by_its_place_there() -> None:
    def act(body: dict[str, Any]) -> Reply:
        return nan_row(body) if "poison" in body["input"] else embed(body)

    texts = [*TEXTS[:99], "poison", *TEXTS[99:]]
    with (
        EmbeddingServer(embed=act) as server,
        pytest.raises(InvalidVectors, match="for text 99"),
    ):
        embedder_for(server, batch_size=50).embed_documents(texts)


# Being interrupted.

INTERRUPTED = """
import sys
from xlingual_adapters.embedders.openai.embedder import OpenAIEmbedder
from xlingual_adapters.embedders.openai.settings import OpenAISettings
settings = OpenAISettings(model="m", url=sys.argv[1], batch_size=1)
embedder = OpenAIEmbedder(settings)
print("asking", flush=True)
try:
    embedder.embed_documents(["a", "b", "c", "d", "e", "f"])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("is_busy", [False, True], ids=["waiting for an answer", "in a pause"])
def test_ctrl_c_ends_at_once_with_requests_under_way(is_busy: bool) -> None:
    met, is_over = Barrier(5, timeout=20), Event()

    def act(body: dict[str, Any]) -> Reply:
        met.wait()
        if not is_busy:
            is_over.wait(30)
        return openai_error(429, "Rate limit reached", Retry_After="100")

    with EmbeddingServer(embed=act) as server:
        with subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, server.url], stdout=subprocess.PIPE, text=True
        ) as process:
            met.wait()
            sleep(0.2)
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=10)
        is_over.set()
        assert printed.split() == ["asking", "interrupted"]
        assert process.returncode == 0
        assert len(server.bodies) == 4


def test_the_kind_is_found_and_its_listing_loads_no_http_client() -> None:
    code = (
        "import sys; from xlingual_qdrant.registry import plugin;"
        "from xlingual_qdrant.ports import EmbedderPlugin;"
        "plugin('embedder', 'openai', EmbedderPlugin); print('httpx' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False\n"


def test_what_is_sent_is_json_of_the_texts_as_they_are(server: EmbeddingServer) -> None:
    texts = ['say "hi"', "a\\b", "日本", "a\0c", "😀"]
    assert_right(embedder_for(server), texts)
    assert json.loads(json.dumps(server.bodies[0]["input"])) == texts
