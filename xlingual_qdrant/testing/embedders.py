"""The promises of an embedder as tests. Inherit them, and override one method.

class TestMyEmbedder(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return MyEmbedder()
"""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest

from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.testing.corpus import ODD_STRINGS

TEXTS: tuple[str, ...] = (
    *PROBES,
    "a",
    "The ferry leaves at seven. " * 20,
    "Ein kurzer Satz.",
    "犬",
    "Où est la gare ?",
)
"""Short and long, in several scripts."""


class EmbedderContract:
    """Vectors depend on the text alone, and fit together.

    tolerance: how far apart two computations of one vector may lie; models that pad their
    batches need more than this.
    """

    tolerance: ClassVar[float] = 1e-5

    def open_embedder(self) -> Embedder:
        """Return the embedder under test, newly loaded."""
        raise NotImplementedError("override open_embedder")

    @pytest.fixture(scope="class")
    @classmethod
    def embedder(cls) -> Embedder:
        """Return the embedder; loaded once for the whole class."""
        return cls().open_embedder()

    def test_vectors_have_the_shape_and_type_that_the_port_names(self, embedder: Embedder) -> None:
        for embed in (embedder.embed_documents, embedder.embed_queries):
            for texts in (TEXTS, list(TEXTS), TEXTS[:1]):
                vectors = embed(texts)
                assert vectors.shape == (len(texts), embedder.dimension)
                assert vectors.dtype == np.float32
                assert vectors.flags.c_contiguous

    def test_no_texts_give_no_rows(self, embedder: Embedder) -> None:
        for embed in (embedder.embed_documents, embedder.embed_queries):
            assert embed([]).shape == (0, embedder.dimension)
            assert embed([]).dtype == np.float32
        assert embedder.truncated([]).shape == (0,)

    def test_every_vector_has_length_one_whatever_the_text(self, embedder: Embedder) -> None:
        texts = [*TEXTS, "", " ", *ODD_STRINGS, "x" * 100_000, "word " * 20_000, "字" * 20_000]
        for embed in (embedder.embed_documents, embedder.embed_queries):
            lengths = np.linalg.norm(embed(texts), axis=1)
            np.testing.assert_allclose(lengths, 1.0, atol=1e-5)

    def test_a_vector_depends_on_its_text_alone(self, embedder: Embedder) -> None:
        for embed in (embedder.embed_documents, embedder.embed_queries):
            together = embed(TEXTS)
            alone = np.concatenate([embed([text]) for text in TEXTS])
            np.testing.assert_allclose(together, alone, atol=self.tolerance)
            np.testing.assert_allclose(together, embed(TEXTS[::-1])[::-1], atol=self.tolerance)
            many = embed(TEXTS * 100)
            np.testing.assert_allclose(many, np.tile(together, (100, 1)), atol=self.tolerance)

    def test_different_texts_have_different_vectors(self, embedder: Embedder) -> None:
        vectors = embedder.embed_documents(PROBES)
        cosines = vectors @ vectors.T - np.eye(len(PROBES))
        assert cosines.max() < 0.99

    def test_loading_again_gives_the_same_embedder(self, embedder: Embedder) -> None:
        again = self.open_embedder()
        assert again.fingerprint.compare(embedder.fingerprint).verdict == "same"
        np.testing.assert_allclose(
            again.embed_documents(TEXTS), embedder.embed_documents(TEXTS), atol=self.tolerance
        )

    def test_the_fingerprint_describes_the_embedder(self, embedder: Embedder) -> None:
        fingerprint = embedder.fingerprint
        assert fingerprint.compare(fingerprint) == ("same", "")
        assert fingerprint.dimension == embedder.dimension
        assert fingerprint.max_tokens == embedder.max_tokens
        assert fingerprint.kind
        assert fingerprint.model
        assert set(fingerprint.prompts) <= {"query", "document"}
        stored = EmbedderFingerprint.model_validate_json(fingerprint.model_dump_json())
        assert stored == fingerprint

    def test_the_fingerprint_holds_the_vectors_of_the_probes(self, embedder: Embedder) -> None:
        probes = round_probes(embedder.embed_documents(PROBES))
        np.testing.assert_allclose(embedder.fingerprint.probes, probes, atol=self.tolerance + 1e-4)

    def test_without_prompts_a_query_is_embedded_like_a_document(self, embedder: Embedder) -> None:
        if any(embedder.fingerprint.prompts.values()):
            pytest.skip("this model reads queries and documents differently")
        np.testing.assert_allclose(
            embedder.embed_queries(TEXTS), embedder.embed_documents(TEXTS), atol=self.tolerance
        )

    def test_says_which_texts_are_read_only_in_part(self, embedder: Embedder) -> None:
        limit = embedder.max_tokens
        short, long = "short", "word " * ((limit or 100_000) + 10)
        truncated = embedder.truncated([short, long, "", short])
        assert truncated.shape == (4,)
        assert truncated.dtype == np.bool_
        assert truncated.tolist() == [False, limit is not None, False, False]

    def test_what_is_cut_off_does_not_change_the_vector(self, embedder: Embedder) -> None:
        if embedder.max_tokens is None:
            pytest.skip("this model reads every text to its end")
        text = "word " * (embedder.max_tokens + 10)
        one, other = embedder.embed_documents([text, text + "something else at the end"])
        np.testing.assert_allclose(one, other, atol=self.tolerance)

    def test_threads_get_the_same_vectors(self, embedder: Embedder) -> None:
        expected = embedder.embed_documents(TEXTS)
        with ThreadPoolExecutor(4) as pool:
            for vectors in pool.map(embedder.embed_documents, [TEXTS] * 8):
                np.testing.assert_allclose(vectors, expected, atol=self.tolerance)
