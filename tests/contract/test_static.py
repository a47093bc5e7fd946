"""Static models keep the promises of an embedder: the bundled one, and folders of other makers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import load_file
from xlingual_adapters.embedders.static import StaticEmbedder, open_folder
from xlingual_adapters.embedders.static.export import export

from tests.unit.embedders.static_folders import write_model2vec, write_static_embedding
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.testing import EmbedderContract


class TestStaticEmbedder(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return StaticEmbedder.open()


class OfAFolder(EmbedderContract):
    """A folder that is written for the class."""

    options: ClassVar[dict[str, int]] = {}
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def model(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.folder = tmp_path_factory.mktemp("models") / "model"
        cls.write(cls.folder)

    @classmethod
    def write(cls, folder: Path) -> None:
        raise NotImplementedError

    def open_embedder(self) -> Embedder:
        return open_folder(self.folder, **self.options)


class TestStaticEmbedding(OfAFolder):
    """The bundled model, which knows words of 34 languages."""

    @classmethod
    def write(cls, folder: Path) -> None:
        export(folder)


class TestStaticEmbeddingWithFewerDimensions(TestStaticEmbedding):
    options: ClassVar[dict[str, int]] = {"truncate_dim": 64, "max_tokens": 32}


class TestStaticEmbeddingWithoutALimit(OfAFolder):
    @classmethod
    def write(cls, folder: Path) -> None:
        write_static_embedding(folder)


class TestModel2Vec(OfAFolder):
    """The bundled model as Model2Vec saves it in half precision."""

    @classmethod
    def write(cls, folder: Path) -> None:
        from model2vec import StaticModel
        from tokenizers import Tokenizer

        exported = folder.with_name("exported")
        export(exported)
        rows = load_file(exported / "model.safetensors")["embedding.weight"].astype(np.float16)
        tokenizer = Tokenizer.from_file(str(exported / "tokenizer.json"))
        StaticModel(rows, tokenizer, normalize=True).save_pretrained(folder)


class TestModel2VecWithAMappedVocabulary(OfAFolder):
    @classmethod
    def write(cls, folder: Path) -> None:
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(50, 24)).astype(np.float32)
        tokens = 5_000  # more than the tokenizer has, as after a reduction of its vocabulary
        mapping = rng.integers(0, len(rows), tokens)
        write_model2vec(folder, rows=rows, mapping=mapping, weights=rng.random(tokens) + 0.1)
