"""fastembed and the adapter for it, on models in ONNX that are made on the spot.

`test_fastembed.py` runs this file in a process of its own, where fastembed can be imported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fastembed import TextEmbedding
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from xlingual_adapters.embedders.fastembed import FastembedEmbedder, FastembedSettings, plugin
from xlingual_adapters.embedders.fastembed.prompts import prompts_of
from xlingual_adapters.embedders.fastembed.settings import Prompts

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import (
    FileUnavailable,
    InvalidInput,
    InvalidVectors,
    SettingsError,
    UnknownName,
)
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.schema import PROBES
from xlingual_qdrant.testing import EmbedderContract

# fastembed 0.7 and 0.8 say of several models that they were read otherwise before 0.6.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* now uses mean pooling:UserWarning")

MOST_TOKENS = 64
LISTED = "sentence-transformers/all-MiniLM-L6-v2"
E5 = "intfloat/multilingual-e5-large"
SHARED: list[Path] = []
"""The folder that all tests read, once it is written."""


def model_folder(folder: Path, *, dimension: int = 32, nan: bool = False) -> Path:
    """Write a model whose tokens have random vectors, and a tokenizer that knows every byte."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["[PAD]", "[CLS]", "[SEP]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROBES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"model_max_length": MOST_TOKENS, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    (folder / "special_tokens_map.json").write_text("{}")
    rng = np.random.default_rng(0)
    table = rng.normal(size=(tokenizer.get_vocab_size(), dimension)).astype(np.float32)
    if nan:
        table[1] = np.nan
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
        "tiny",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
            for name in ("input_ids", "attention_mask")
        ],
        [
            helper.make_tensor_value_info(
                "last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", dimension]
            )
        ],
        [numpy_helper.from_array(table, "table")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "model.onnx")
    return folder


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    SHARED.append(model_folder(tmp_path_factory.mktemp("models") / "tiny"))
    return SHARED[0]


def opened(**settings: Any) -> FastembedEmbedder:
    given = {"model": "tiny", "pooling": "mean", "path": SHARED[0], **settings}
    return FastembedEmbedder(FastembedSettings.model_validate(given))


class TestAFolderOfYours(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return opened()


class TestAListedModelWithPrompts(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return opened(model=E5, pooling=None)


def test_vectors_are_those_of_fastembed_brought_to_length_one() -> None:
    ours = opened(model=LISTED, pooling=None).embed_documents(PROBES)
    model = TextEmbedding(LISTED, specific_model_path=str(SHARED[0]))
    theirs = np.array(list(model.embed(list(PROBES))))
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_texts_come_back_in_their_order_whatever_the_batches() -> None:
    texts = ["a" * (37 * i % 60) for i in range(50)]
    together = opened(batch_size=7).embed_documents(texts)
    embedder = opened()
    alone = np.concatenate([embedder.embed_documents([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_prompts_that_fastembed_does_not_put_are_put_once() -> None:
    e5, bare = opened(model=E5, pooling=None), opened()
    assert e5.fingerprint.prompts == {"query": "query: ", "document": "passage: "}
    for role, prompt in e5.prompts.items():
        embed = getattr(e5, "embed_queries" if role == "query" else "embed_documents")
        expected = bare.embed_documents([prompt + text for text in PROBES])
        np.testing.assert_allclose(embed(PROBES), expected, atol=1e-6)


def test_settings_may_leave_prompts_out() -> None:
    embedder = opened(model=E5, pooling=None, prompts={"query": "", "document": ""})
    assert embedder.fingerprint.prompts == {}
    expected = opened().embed_queries(PROBES)
    np.testing.assert_allclose(embedder.embed_queries(PROBES), expected, atol=1e-6)


def test_every_model_that_needs_prefixes_by_its_description_has_one() -> None:
    for model in TextEmbedding.list_supported_models():
        needs = "Prefixes for queries/documents: necessary" in model["description"]
        assert not needs or prompts_of(model["model"], Prompts()), model["model"]


def test_a_model_that_needs_no_prefixes_has_none() -> None:
    name = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
    assert prompts_of(name, Prompts()) == {}


def test_what_is_read_of_a_text_comes_from_the_tokenizer() -> None:
    embedder = opened()
    assert embedder.max_tokens == MOST_TOKENS
    fits = "x" * (MOST_TOKENS - 3)  # beside the space and the two tokens that are put around
    assert embedder.truncated([fits, fits + "x", ""]).tolist() == [False, True, False]
    # The prompt is read, too, so less of the text is.
    assert opened(model=E5, pooling=None).truncated([fits]).tolist() == [True]


def test_a_fingerprint_tells_what_fits() -> None:
    one, other = opened().fingerprint, opened(model="other").fingerprint
    assert one.kind == "fastembed"
    assert one.model == "tiny"
    assert one.compare(other).verdict == "compatible"
    assert one.compare(opened(model=E5, pooling=None).fingerprint).verdict == "different"


def test_nothing_is_loaded_before_the_first_text(tmp_path: Path) -> None:
    FastembedEmbedder(FastembedSettings(model="tiny", pooling="mean", path=tmp_path / "nowhere"))


def test_a_model_that_fastembed_does_not_know_is_named() -> None:
    embedder = load_embedder({"kind": "fastembed", "model": "intfloat/multilingual-e5-lrge"})
    with pytest.raises(UnknownName, match="Did you mean 'intfloat/multilingual-e5-large'"):
        embedder.embed_documents(["x"])


def test_a_folder_without_pooling_is_refused_with_the_choices() -> None:
    with pytest.raises(SettingsError, match='pooling = "mean", "cls"'):
        opened(pooling=None).embed_documents(["x"])


def test_a_pooling_for_a_known_model_is_refused() -> None:
    with pytest.raises(SettingsError, match="fastembed knows the pooling"):
        opened(model=LISTED).embed_documents(["x"])


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_folder_is_refused_in_words(tmp_path: Path, file: str, damage: str) -> None:
    path = model_folder(tmp_path) / file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(FileUnavailable, match="fastembed cannot load it"):
        opened(path=tmp_path).embed_documents(["x"])


def test_a_model_that_is_not_there_is_refused_offline(tmp_path: Path) -> None:
    embedder = load_embedder(
        {"kind": "fastembed", "model": LISTED, "cache_dir": tmp_path, "local_files_only": True}
    )
    with pytest.raises(FileUnavailable, match="give a folder with its files"):
        embedder.embed_documents(["x"])


def test_a_provider_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="NowhereExecutionProvider"):
        opened(providers=("NowhereExecutionProvider",)).embed_documents(["x"])


def test_a_vector_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidVectors, match="not finite, for the text 'x'"):
        opened(path=model_folder(tmp_path, nan=True)).embed_documents(["x"])


def test_half_a_surrogate_pair_is_refused_and_named() -> None:
    for call in (opened().embed_documents, opened().truncated):
        with pytest.raises(InvalidInput, match=r"text 1 .* U\+D83D, at character 3"):
            call(["fine", "abc\ud83d"])


def test_a_collection_is_made_and_searched_with_it(tmp_path: Path) -> None:
    section = {"kind": "fastembed", "model": "tiny", "pooling": "mean", "path": SHARED[0]}
    store = {"kind": "faiss", "path": str(tmp_path)}
    settings = {"store": "s", "embedder": "e", "stores": {"s": store}, "embedders": {"e": section}}
    with Collection.open("texts", settings=settings) as texts:
        texts.add(list(PROBES))
    with Collection.open("texts", settings=settings) as texts:
        assert texts.search(PROBES[2], k=1)[0].text == PROBES[2]


def test_the_plugin_says_what_it_is() -> None:
    assert isinstance(plugin.open(FastembedSettings(model=LISTED)), FastembedEmbedder)
