"""The static embedder and the model that ships with the library."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xlingual_adapters.embedders.static import BUNDLED, StaticEmbedder, StaticSettings, plugin
from xlingual_adapters.embedders.static.pooling import BLOCK

from xlingual_qdrant.errors import InvalidInput
from xlingual_qdrant.schema import PROBES

TEXTS = ["The ferry leaves at seven.", "Wo ist der Bahnhof?", "今日は雨です。", "أين المفتاح؟", "x"]
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.fixture(scope="module")
def embedder() -> StaticEmbedder:
    return StaticEmbedder.open()


def test_vectors_are_unit_rows_of_float32(embedder: StaticEmbedder) -> None:
    vectors = embedder.embed_documents(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_give_no_rows(embedder: StaticEmbedder) -> None:
    assert embedder.embed_documents([]).shape == (0, embedder.dimension)
    assert embedder.truncated([]).shape == (0,)


def test_queries_and_documents_are_treated_alike(embedder: StaticEmbedder) -> None:
    assert np.array_equal(embedder.embed_queries(TEXTS), embedder.embed_documents(TEXTS))


def test_a_text_has_one_vector_whatever_else_is_in_the_batch(embedder: StaticEmbedder) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(TEXTS, rng.integers(1, 9))) for _ in range(3 * BLOCK + 1)]
    together = embedder.embed_documents(texts)
    order = rng.permutation(len(texts))
    assert np.array_equal(embedder.embed_documents([texts[i] for i in order]), together[order])
    for i in (0, 1, 500):
        assert np.array_equal(embedder.embed_documents([texts[i]])[0], together[i])


def test_threads_share_an_embedder() -> None:
    embedder = StaticEmbedder.open()
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(embedder.embed_documents, [TEXTS] * 8)
    assert all(np.array_equal(first, other) for other in others)


@given(st.lists(UNICODE, max_size=12))
def test_any_unicode_has_a_finite_unit_vector(embedder: StaticEmbedder, texts: list[str]) -> None:
    vectors = embedder.embed_documents(texts)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_blank_and_unknown_texts_have_the_vector_of_the_unknown_piece(
    embedder: StaticEmbedder,
) -> None:
    vectors = embedder.embed_documents(["", "   \n\t ", "\u200b", *TEXTS])
    assert np.array_equal(vectors[0], vectors[1])
    assert np.array_equal(vectors[0], vectors[2])
    assert (vectors[3:] @ vectors[0] < 0.7).all()


@pytest.mark.parametrize("batch", [1, 100])
def test_half_a_surrogate_pair_is_refused_and_named(embedder: StaticEmbedder, batch: int) -> None:
    with pytest.raises(InvalidInput, match=r"text 1 .* U\+D83D, at character 3"):
        embedder.embed_documents(["fine", "abc\ud83d", *["fine"] * batch])


def test_a_million_characters_cost_little(embedder: StaticEmbedder) -> None:
    embedder.embed_documents(["load"])
    tracemalloc.start()
    vectors = embedder.embed_documents(["word " * 200_000, "x" * 1_000_000, "水" * 1_000_000] * 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.isfinite(vectors).all()
    assert peak < 20_000_000


def test_only_the_beginning_of_a_long_text_counts(embedder: StaticEmbedder) -> None:
    beginning = "The ferry leaves at seven. " * 200
    texts = [beginning, beginning + "Wo ist der Bahnhof?", "  " * 5_000 + beginning]
    vectors = embedder.embed_documents(texts)
    assert np.array_equal(vectors[0], vectors[1])
    assert np.array_equal(vectors[0], vectors[2])


def test_texts_that_are_not_read_whole_are_reported(embedder: StaticEmbedder) -> None:
    most = embedder.max_tokens
    assert most is not None
    texts = ["short", "a " * most, "a " * (most + 1), "水" * 100, "ﷺ" * 100, "x" * 1_000_000]
    assert embedder.truncated(texts).tolist() == [False, False, True, False, True, True]
    assert not embedder.truncated([" " * 1_000_000 + "short"]).any()


@given(UNICODE.map(lambda text: text * 4))
def test_the_report_agrees_with_the_vocabulary(embedder: StaticEmbedder, text: str) -> None:
    pieces = len(embedder._model.vocabulary.encode(text))  # pyright: ignore[reportPrivateUsage]
    assert embedder.truncated([text])[0] == (pieces > embedder.config.max_tokens)


def test_the_fingerprint_holds_the_vectors_of_the_probes(embedder: StaticEmbedder) -> None:
    fingerprint = embedder.fingerprint
    assert fingerprint.kind == "static"
    assert fingerprint.dimension == embedder.dimension
    # Another processor may add up the squares of a vector in another order.
    assert np.allclose(fingerprint.probes, embedder.embed_documents(PROBES), atol=1.1e-4)
    assert fingerprint == StaticEmbedder.open().fingerprint


def test_opening_loads_nothing_heavy() -> None:
    code = (
        "import sys; from xlingual_adapters.embedders.static import StaticEmbedder;"
        "e = StaticEmbedder.open(); e.fingerprint; print('_model' in vars(e), *sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, *modules = out.stdout.split()
    assert loaded == "False"
    assert not {"torch", "scipy", "transformers", "tokenizers"} & set(modules)


def test_the_plugin_opens_the_bundled_model_by_default() -> None:
    assert plugin.open(StaticSettings()).fingerprint == StaticEmbedder.open().fingerprint


def test_the_bundled_files_are_those_of_the_config(embedder: StaticEmbedder) -> None:
    config = embedder.config
    for file, checksum in (
        ("table.safetensors", config.table_sha256),
        ("sentencepiece.model", config.vocabulary_sha256),
    ):
        assert hashlib.sha256((BUNDLED / file).read_bytes()).hexdigest() == checksum
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 25_000_000


def test_the_card_names_the_model_and_its_figures(embedder: StaticEmbedder) -> None:
    card = (BUNDLED / "README.md").read_text(encoding="utf-8")
    assert embedder.config.revision in card
    assert f"{100 * embedder.config.scores['tatoeba']['mean']:.1f}" in card
    assert "CC-BY 2.0 FR" in card


def nearest(embedder: StaticEmbedder, query: str, texts: list[str]) -> list[str]:
    scores = embedder.embed_documents(texts) @ embedder.embed_queries([query])[0]
    return [texts[i] for i in np.argsort(-scores, kind="stable")]


def test_translations_are_the_nearest(embedder: StaticEmbedder) -> None:
    cats = [
        "Le chat est assis sur le tapis.",
        "Die Katze sitzt auf der Matte.",
        "El gato está sentado en la alfombra.",
        "猫がマットの上に座っている。",
    ]
    others = [
        "Machine learning requires large datasets.",
        "L'apprentissage automatique nécessite de grands ensembles de données.",
    ]
    ranked = nearest(embedder, "the cat is sitting on the mat", [*others, *cats])
    assert set(ranked[:4]) == set(cats)


@pytest.mark.parametrize(
    ("query", "translations", "other"),
    [
        (
            "How do I reset my password?",
            ["Comment réinitialiser mon mot de passe ?", "Wie setze ich mein Passwort zurück?"],
            "The weather is nice today.",
        ),
        ("The server is down", ["Le serveur est en panne"], "Das Wetter ist schön heute"),
        ("I love programming", ["J'adore la programmation"], "Das Wetter ist schön heute"),
    ],
)
def test_a_translation_is_nearer_than_another_statement(
    embedder: StaticEmbedder, query: str, translations: list[str], other: str
) -> None:
    assert nearest(embedder, query, [other, *translations])[-1] == other
