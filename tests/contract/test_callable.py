"""Functions of a user keep the promises of an embedder through `CallableEmbedder`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from xlingual_adapters.embedders.callable import CallableEmbedder

from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.testing import EmbedderContract

MOST = 50


def letters(texts: list[str]) -> NDArray[np.float16]:
    """Count pairs of letters, in half precision, as many models answer."""
    vectors = np.zeros((len(texts), 64), dtype=np.float16)
    vectors[:, 0] = 0.1
    for row, text in zip(vectors, texts, strict=True):
        small = text.casefold()[:2_000]
        for first, second in pairwise(small):
            row[(31 * ord(first) + ord(second)) % 64] += 1
    return vectors


def letters_of_words(texts: list[str]) -> list[list[float]]:
    return letters([" ".join(text.split()[:MOST]) for text in texts]).tolist()


def letters_of_queries(texts: list[str]) -> NDArray[np.float16]:
    return letters([f"query {text}" for text in texts])


def is_longer(texts: list[str]) -> list[bool]:
    return [len(text.split()) > MOST for text in texts]


class TestAFunction(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return CallableEmbedder(letters, name="letters", batch_size=7)


class TestAFunctionThatReadsTheBeginning(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return CallableEmbedder(
            letters_of_words, name="letters-50", max_tokens=MOST, truncated=is_longer
        )
