"""Folders of Model2Vec and StaticEmbedding: read as their makers read them, or refused."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save
from xlingual_adapters.embedders.static import BUNDLED, StaticEmbedder, TokenEmbedder, open_folder
from xlingual_adapters.embedders.static.export import export

from tests.unit.embedders.static_folders import (
    DIMENSION,
    SENTENCES,
    table_of,
    wordpiece,
    write_model2vec,
    write_static_embedding,
)
from xlingual_qdrant import load_embedder
from xlingual_qdrant.errors import (
    FileUnavailable,
    InvalidInput,
    SettingsError,
    UnreadableFile,
)
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.testing.corpus import ODD_STRINGS

TOKENS = wordpiece().get_vocab_size()
TEXTS = [
    *SENTENCES,
    *ODD_STRINGS,
    "🙂 the parcel 🙂",
    "parcel " * 900,
    "字" * 5_000,
    "answersanswers",
]
NOTHING = np.eye(DIMENSION, dtype=np.float32)[-1]


def embed(folder: Path) -> Vectors:
    return open_folder(folder).embed_documents(["the parcel"])


def assert_alike(ours: Vectors, theirs: Any, atol: float = 1e-5) -> None:
    """Compare with vectors that may have any length; those of length 0 are ours to choose."""
    theirs = np.asarray(theirs, dtype=np.float32)
    lengths = np.linalg.norm(theirs, axis=1, keepdims=True)
    known = lengths[:, 0] > 0
    np.testing.assert_allclose(ours[known], (theirs / np.maximum(lengths, 1e-12))[known], atol=atol)
    assert known.sum() > 20
    assert (ours[~known] == NOTHING[-ours.shape[1] :]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8"])
def test_vectors_are_those_of_model2vec(tmp_path: Path, dtype: str) -> None:
    from model2vec import StaticModel

    rows = table_of(TOKENS)
    rows = np.rint(rows * 20).astype(np.int8) if dtype == "int8" else rows.astype(dtype)
    folder = write_model2vec(tmp_path, rows=rows)
    embedder = TokenEmbedder.open(folder)
    assert embedder.table.rows.dtype == rows.dtype
    # Model2Vec returns vectors in the type of the table, half as exact as ours for float16.
    tolerance = 1e-3 if dtype == "float16" else 1e-5
    theirs = StaticModel.from_pretrained(folder).encode(TEXTS)
    assert_alike(embedder.embed_documents(TEXTS), theirs, tolerance)


@pytest.mark.parametrize("max_length", [3, None])
def test_a_quantised_vocabulary_is_that_of_model2vec(
    tmp_path: Path, max_length: int | None
) -> None:
    from model2vec import StaticModel

    rng = np.random.default_rng(1)
    folder = write_model2vec(
        tmp_path,
        rows=table_of(40),
        mapping=rng.integers(0, 40, TOKENS),
        weights=rng.random(TOKENS),
        config={"max_length": max_length, "normalize": False},
    )
    embedder = open_folder(folder)
    assert embedder.max_tokens == max_length
    theirs = StaticModel.from_pretrained(folder).encode(TEXTS)
    assert_alike(embedder.embed_documents(TEXTS), theirs)


def test_vectors_are_those_of_sentence_transformers(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="compares with sentence-transformers")
    from sentence_transformers import SentenceTransformer

    for inner, max_length, keep in (("0_StaticEmbedding", None, None), ("", 5, 7)):
        folder = write_static_embedding(
            tmp_path / (inner or "root"), inner=inner, max_length=max_length
        )
        model = SentenceTransformer(str(folder), device="cpu", truncate_dim=keep)
        embedder = open_folder(folder, truncate_dim=keep)
        assert embedder.max_tokens == max_length
        assert embedder.dimension == (keep or DIMENSION)
        assert_alike(embedder.embed_documents(TEXTS), model.encode(TEXTS))


def test_our_export_gives_the_vectors_of_its_model(tmp_path: Path) -> None:
    export(tmp_path / "exported", BUNDLED)
    embedder = open_folder(tmp_path / "exported")
    assert isinstance(embedder, TokenEmbedder)
    ours = StaticEmbedder.open().embed_documents(SENTENCES)
    np.testing.assert_allclose(embedder.embed_documents(SENTENCES), ours, atol=1e-5)


def test_the_kind_of_a_folder_is_known_by_its_files(tmp_path: Path, model_folder: Path) -> None:
    assert isinstance(open_folder(BUNDLED), StaticEmbedder)
    assert isinstance(open_folder(model_folder), StaticEmbedder)
    assert isinstance(open_folder(write_model2vec(tmp_path / "a")), TokenEmbedder)
    assert isinstance(open_folder(write_static_embedding(tmp_path / "b")), TokenEmbedder)


def test_a_folder_keeps_its_fingerprint_where_it_is_moved(tmp_path: Path) -> None:
    for write, name in ((write_model2vec, "tiny-potion"), (write_static_embedding, None)):
        first = write(tmp_path / "first")
        before = open_folder(first).fingerprint
        shutil.move(first, tmp_path / "elsewhere")
        after = open_folder(tmp_path / "elsewhere").fingerprint
        assert before == after
        assert before.kind == "static"
        assert before.model == (name or f"static-{before.revision}")
        shutil.rmtree(tmp_path / "elsewhere")


def test_other_contents_have_another_revision(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    first = open_folder(folder).fingerprint
    write_model2vec(tmp_path, rows=table_of(TOKENS) + np.float32(0.001))
    second = open_folder(folder).fingerprint
    assert first.model == second.model
    assert first.revision != second.revision
    assert first.compare(second).verdict == "compatible"


@pytest.mark.parametrize(
    ("card", "name"),
    [
        ("---\nmodel_name: /tmp/tmp8x/potion\n---\n", "potion"),
        ("---\nmodel_name: 'minishlab/potion'\n---\n", "potion"),
        ("---\nlicense: mit\n---\nmodel_name: no\n", ""),
        ("---\nmodel_name:\n---\n", ""),
        ("model_name: no", ""),
        (None, ""),
    ],
)
def test_the_name_is_what_the_card_says(tmp_path: Path, card: str | None, name: str) -> None:
    folder = write_model2vec(tmp_path, card=card)
    assert TokenEmbedder.open(folder).table.name == name
    given_name = TokenEmbedder.open(folder, name="given").fingerprint.model
    assert given_name == (name or "given")


def test_dimensions_may_be_left_out(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    whole, short = open_folder(folder), open_folder(folder, truncate_dim=8)
    cut = whole.embed_documents(SENTENCES)[:, :8]
    cut /= np.linalg.norm(cut, axis=1, keepdims=True)
    np.testing.assert_allclose(short.embed_documents(SENTENCES), cut, atol=1e-6)
    assert short.dimension == short.fingerprint.dimension == 8
    with pytest.raises(SettingsError, match=f"truncate_dim is 33, .* have {DIMENSION}"):
        open_folder(folder, truncate_dim=33)


def test_how_much_is_read_can_be_set(tmp_path: Path) -> None:
    folder = write_static_embedding(tmp_path, max_length=3)
    embedder = open_folder(folder, max_tokens=2)
    one, other = embedder.embed_documents(["the parcel", "the parcel did not arrive"])
    assert np.array_equal(one, other)
    assert embedder.truncated(["the parcel", "the parcel did"]).tolist() == [False, True]
    assert embedder.max_tokens == embedder.fingerprint.max_tokens == 2
    assert open_folder(folder).max_tokens == 3


def test_model2vec_reads_512_tokens_if_a_folder_does_not_say(tmp_path: Path) -> None:
    assert open_folder(write_model2vec(tmp_path)).max_tokens == 512
    assert open_folder(write_model2vec(tmp_path, config={"max_length": 9})).max_tokens == 9


def test_options_of_token_tables_are_refused_for_our_own(model_folder: Path) -> None:
    for option in ({"truncate_dim": 3}, {"max_tokens": 3}):
        with pytest.raises(SettingsError, match="read as it was trained"):
            open_folder(model_folder, **option)


def test_texts_that_are_cut_before_they_are_tokens_are_reported(tmp_path: Path) -> None:
    embedder = open_folder(write_model2vec(tmp_path), max_tokens=4)
    # One unknown word of many letters: a single token, of which Model2Vec reads the beginning.
    assert embedder.truncated(["x" * 10_000, " " * 5, "the" + " " * 10_000]).tolist() == [
        True,
        False,
        False,
    ]


def test_a_tokenizer_that_cuts_the_beginning_does_so_here(tmp_path: Path) -> None:
    folder = write_static_embedding(tmp_path, inner="", max_length=2)
    file = folder / "tokenizer.json"
    described = json.loads(file.read_text("utf-8"))
    described["truncation"]["direction"] = "Left"
    file.write_text(json.dumps(described), "utf-8")
    one, other = open_folder(folder).embed_documents(["the parcel did not", "did not"])
    assert np.array_equal(one, other)


def test_texts_without_a_known_token_have_one_vector(tmp_path: Path) -> None:
    embedder = open_folder(write_model2vec(tmp_path))
    vectors = embedder.embed_documents(["", "  ", "🙂", "the parcel"] * 20)
    assert (vectors[[0, 1, 2, 40]] == NOTHING).all()
    assert np.array_equal(vectors[3], embedder.embed_documents(["the parcel"])[0])


def test_half_a_surrogate_pair_is_refused_and_named(tmp_path: Path) -> None:
    embedder = open_folder(write_model2vec(tmp_path))
    for call in (embedder.embed_documents, embedder.truncated):
        with pytest.raises(InvalidInput, match=r"text 1 .* U\+D83D, at character 3"):
            call(["fine", "abc\ud83d"])


# A folder of the hub's cache.


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    model = tmp_path / "hub" / "models--acme--tiny"
    for revision in ("aaa", "bbb"):
        write_static_embedding(model / "snapshots" / revision)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("aaa")
    (model / "snapshots" / "bbb" / "modules.json").write_text("[]")
    return model


def test_a_model_of_the_local_cache_is_opened_by_its_name(cache: Path) -> None:
    embedder = load_embedder({"kind": "static", "model": "acme/tiny"})
    assert embedder.fingerprint.model == "acme/tiny"
    (cache / "refs" / "main").unlink()
    shutil.rmtree(cache / "snapshots" / "bbb")
    assert load_embedder({"kind": "static", "model": "acme/tiny"}).dimension == DIMENSION


def test_a_model_that_is_not_in_the_cache_comes_with_the_way_to_it(cache: Path) -> None:
    with pytest.raises(FileUnavailable, match=r"hf download acme/other.*git clone.*`path`"):
        load_embedder({"kind": "static", "model": "acme/other"})


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "a b", "https://huggingface.co/a/b", ".."])
def test_what_is_no_name_of_a_model_is_refused(cache: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="not the name of a model"):
        load_embedder({"kind": "static", "model": name})


def test_path_and_model_are_not_given_both(cache: Path) -> None:
    with pytest.raises(SettingsError, match="not both"):
        load_embedder({"kind": "static", "model": "acme/tiny", "path": str(BUNDLED)})


# Folders that are not what they should be.


def edit_tensors(folder: Path, **arrays: Any) -> None:
    file = folder / "model.safetensors"
    kept = {**load(file.read_bytes()), **arrays}
    file.write_bytes(save({name: array for name, array in kept.items() if array is not None}))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embeddings": None, "other": table_of(3)}, "holds other, no table"),
        ({"embeddings": np.zeros(5, np.float32)}, r"shape \[5\]"),
        ({"embeddings": np.zeros((0, 5), np.float32)}, r"shape \[0, 5\]"),
        ({"embeddings": np.zeros((2, 3, 4), np.float32)}, r"shape \[2, 3, 4\]"),
        ({"embeddings": table_of(TOKENS - 1)}, "tokenizer.json: has tokens up to"),
        ({"mapping": np.full(TOKENS, TOKENS)}, "names rows that the table"),
        ({"mapping": np.full(TOKENS, -1)}, "names rows that the table"),
        ({"mapping": np.zeros(TOKENS, np.float32)}, "the mapping is float32"),
        ({"mapping": np.zeros(3, np.int64)}, "has tokens up to"),
        ({"weights": np.zeros(3)}, r"weights have the shape \[3\]"),
        ({"weights": np.full(TOKENS, np.nan)}, "a weight is not finite"),
        ({"weights": np.full(TOKENS, 1e300)}, "a weight is not finite"),
        ({"embeddings": np.full((TOKENS, 4), np.nan, np.float32)}, "a row .* is not finite"),
        ({"embeddings": np.full((TOKENS, 4), np.inf, np.float16)}, "a row .* is not finite"),
        ({"embeddings": np.full((TOKENS, 4), 1e30, np.float32)}, "a row .* is not finite"),
        ({"embeddings": np.ones((TOKENS, 4), np.bool_)}, "numbers of type BOOL"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    folder = write_model2vec(tmp_path)
    edit_tensors(folder, **arrays)
    with pytest.raises(UnreadableFile, match=message):
        embed(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    folder = write_model2vec(tmp_path)
    (folder / file).unlink()
    with pytest.raises(UnreadableFile, match=f"there is no {file}"):
        embed(folder)


@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.pt", "model.pkl"])
def test_weights_that_can_run_code_are_refused(tmp_path: Path, file: str) -> None:
    folder = write_static_embedding(tmp_path)
    inner = folder / "0_StaticEmbedding"
    (inner / "model.safetensors").rename(inner / file)
    with pytest.raises(UnreadableFile, match=f"{file} alone, a file that can run code"):
        embed(folder)


def test_weights_of_another_format_are_named(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    (folder / "model.safetensors").rename(folder / "model.onnx")
    with pytest.raises(UnreadableFile, match=r"weights in model\.onnx, which is not read"):
        embed(folder)


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ('[{"type": "sentence_transformers.models.Transformer"}]', "a model of Transformer"),
        ('[{"type": "a.StaticEmbedding"}, {"type": "a.Dense"}]', "kind 'sentence-transformers'"),
        ('[{"type": "a.StaticEmbedding", "path": "../../other"}]', "outside of the model folder"),
        ('[{"type": "a.StaticEmbedding", "path": "/etc"}]', "outside of the model folder"),
        ("[]", "a model of no modules"),
        ("{", "modules.json: the file"),
        ('[{"path": ""}]', "0.type: Field required"),
    ],
)
def test_modules_that_are_no_table_are_refused(tmp_path: Path, modules: str, message: str) -> None:
    folder = write_static_embedding(tmp_path)
    (folder / "modules.json").write_text(modules)
    with pytest.raises(UnreadableFile, match=message):
        embed(folder)


def test_a_model_that_wants_prompts_is_refused(tmp_path: Path) -> None:
    folder = write_static_embedding(tmp_path, prompts={"query": "query: ", "document": ""})
    with pytest.raises(UnreadableFile, match=r"wants prompts \(query\).*'sentence-transformers'"):
        embed(folder)


@pytest.mark.parametrize("config", ["{", "[]", '{"max_length": 0}', '{"max_length": "many"}'])
def test_a_faulty_config_is_refused(tmp_path: Path, config: str) -> None:
    folder = write_model2vec(tmp_path)
    (folder / "config.json").write_text(config)
    with pytest.raises(UnreadableFile, match=r"config\.json"):
        embed(folder)


@pytest.mark.parametrize("tokenizer", [b"", b"{}", b"\xff", b'{"model": {}}', b"[1]", b"{" * 9999])
def test_a_faulty_tokenizer_is_refused(tmp_path: Path, tokenizer: bytes) -> None:
    folder = write_model2vec(tmp_path)
    (folder / "tokenizer.json").write_bytes(tokenizer)
    with pytest.raises(UnreadableFile, match=r"tokenizer\.json: not a tokenizer"):
        embed(folder)


def test_a_tokenizer_that_panics_is_refused(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    file = folder / "tokenizer.json"
    described = json.loads(file.read_text("utf-8"))
    described["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    file.write_text(json.dumps(described), "utf-8")
    with pytest.raises(UnreadableFile, match=r"tokenizer\.json: not a tokenizer: Precompiled"):
        open_folder(folder).embed_documents(["x"])


def test_a_tokenizer_without_a_number_for_the_unknown_is_refused(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    file = folder / "tokenizer.json"
    described = json.loads(file.read_text("utf-8"))
    del described["model"]["vocab"]["[UNK]"]
    file.write_text(json.dumps(described), "utf-8")
    with pytest.raises(UnreadableFile, match=r"tokenizer\.json: cannot cut texts: .*\[UNK\]"):
        open_folder(folder).embed_documents(["🙂"])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="there is no such model folder"):
        open_folder(tmp_path / "potion")
    with pytest.raises(UnreadableFile, match=r"no model\.safetensors and no tokenizer\.json"):
        open_folder(tmp_path)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model2vec(tmp_path_factory.mktemp("intact"))


@given(st.data())
def test_a_damaged_table_is_read_or_refused_never_worse(intact: Path, data: st.DataObject) -> None:
    good = (intact / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(good[:8], "little")
    damaged = bytearray(good)
    for place in data.draw(st.lists(st.integers(0, header - 1), max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.sampled_from([len(good), len(good) - 1, header, 9, 8, 3, 0])) :]
    folder = intact / "damaged"
    shutil.copytree(intact, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("damaged"))
    (folder / "model.safetensors").write_bytes(damaged)
    with contextlib.suppress(UnreadableFile):
        vectors = embed(folder)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_without_its_package_the_extra_is_named(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    code = (
        "import sys; sys.modules['tokenizers'] = None;"
        "from xlingual_adapters.embedders.static import open_folder;"
        f"open_folder({str(folder)!r}).embed_documents(['x'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'xlingual-qdrant[model2vec]'" in done.stderr


def test_reading_a_folder_loads_no_torch(tmp_path: Path) -> None:
    folder = write_model2vec(tmp_path)
    code = (
        "import sys; from xlingual_adapters.embedders.static import open_folder;"
        f"open_folder({str(folder)!r}).fingerprint;"
        "print({'torch', 'transformers', 'huggingface_hub', 'model2vec'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"
