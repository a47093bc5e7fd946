"""Models of sentence-transformers keep the promises of an embedder, whatever they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from xlingual_adapters.embedders.sentence_transformers import (
    SentenceTransformersEmbedder,
    SentenceTransformersSettings,
)

from tests.models import Family, tiny_model
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.testing import EmbedderContract


class Tiny(EmbedderContract):
    """A random model of a few kilobytes, made for the class."""

    tolerance: ClassVar[float] = 1e-4
    family: ClassVar[Family] = "bert"
    normalize: ClassVar[bool] = True
    prompts: ClassVar[dict[str, str]] = {}
    max_tokens: ClassVar[int | None] = 64
    settings: ClassVar[dict[str, int]] = {}
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # those of several test processes wait for each other
        cls.folder = tiny_model(
            tmp_path_factory.mktemp("models") / "tiny",
            family=cls.family,
            normalize=cls.normalize,
            prompts=cls.prompts,
            max_tokens=cls.max_tokens,
        )
        yield
        torch.set_num_threads(threads)

    def open_embedder(self) -> Embedder:
        settings = {"model": str(self.folder), "device": "cpu", **self.settings}
        return SentenceTransformersEmbedder.open(SentenceTransformersSettings(**settings))


class TestPlain(Tiny):
    pass


class TestPromptsWithoutNormalisation(Tiny):
    normalize = False
    prompts: ClassVar[dict[str, str]] = {"query": "query: ", "document": "passage: "}


class TestLongTextsAndFewDimensions(Tiny):
    """The tokenizer has no limit; the positions of this family are two fewer than it counts."""

    family = "xlm-roberta"
    max_tokens = None
    settings: ClassVar[dict[str, int]] = {"truncate_dim": 12}
