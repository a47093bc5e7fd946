"""Model folders: written, read, and refused when they are not what they say."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from xlingual_adapters.embedders.static import BUNDLED, StaticEmbedder
from xlingual_adapters.embedders.static.format import quantise, write_model

from xlingual_qdrant.errors import FormatTooNew, InvalidInput, UnreadableFile


def embed(folder: Path) -> None:
    StaticEmbedder.open(folder).embed_documents(["river stone"])


def edit_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def test_any_folder_of_the_format_is_opened(model_folder: Path) -> None:
    embedder = StaticEmbedder.open(model_folder)
    assert embedder.embed_documents(["river stone", "Straße"]).shape == (2, 16)
    assert embedder.max_tokens == 20
    assert embedder.fingerprint.model == "tiny"
    assert embedder.truncated(["river", "river " * 30]).tolist() == [False, True]


def test_case_and_width_make_no_difference(model_folder: Path) -> None:
    a, b = StaticEmbedder.open(model_folder).embed_documents(["river STONE", "River ｓｔｏｎｅ"])
    assert np.array_equal(a, b)


def test_eight_bits_are_enough(model_folder: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    rows[3] = 0
    table, scales = quantise(rows)
    assert np.abs(table * scales[:, None] - rows).max() <= scales.max() / 2 + 1e-6
    assert not table[3].any()


def test_rows_that_cancel_out_have_the_vector_of_the_unknown_piece(
    tmp_path: Path, vocabulary: bytes, model_folder: Path
) -> None:
    pieces = StaticEmbedder.open(model_folder).config.pieces
    rows = np.zeros((pieces, 4), dtype=np.float32)
    rows[0] = [0, 2, 0, 0]
    write_model(
        tmp_path / "zero", name="zero", rows=rows, vocabulary=vocabulary, max_tokens=9, training={}
    )
    vectors = StaticEmbedder.open(tmp_path / "zero").embed_documents(["river", "stone"] * 10)
    assert np.array_equal(vectors, np.tile(np.float32([0, 1, 0, 0]), (20, 1)))


def test_a_vocabulary_of_another_size_is_not_written(tmp_path: Path, vocabulary: bytes) -> None:
    rows = np.ones((7, 4), dtype=np.float32)
    with pytest.raises(InvalidInput, match=r"pieces, the table 7 rows"):
        write_model(tmp_path, name="x", rows=rows, vocabulary=vocabulary, max_tokens=9, training={})


@pytest.mark.parametrize("file", ["config.json", "table.safetensors", "sentencepiece.model"])
def test_a_missing_file_is_named(model_folder: Path, file: str) -> None:
    (model_folder / file).unlink()
    with pytest.raises(UnreadableFile, match=file):
        embed(model_folder)


@pytest.mark.parametrize("file", ["table.safetensors", "sentencepiece.model"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_named(model_folder: Path, file: str, damage: str) -> None:
    path = model_folder / file
    data = bytearray(path.read_bytes())
    match damage:
        case "flipped":
            data[-5] ^= 1
        case "cut":
            del data[-5:]
        case _:
            data.clear()
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=f"{file}: .* not those named in config.json"):
        embed(model_folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"dimension": 3}', "\x00\xff"])
def test_a_foreign_config_is_refused(model_folder: Path, text: str) -> None:
    (model_folder / "config.json").write_text(text, encoding="latin-1")
    with pytest.raises(UnreadableFile, match=r"config\.json: not the config of a static model"):
        embed(model_folder)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"config\.json: cannot be read"):
        StaticEmbedder.open(tmp_path / "nowhere")


@pytest.mark.parametrize("more", [{}, {"something_new": 1}])
def test_a_newer_format_is_refused(model_folder: Path, more: dict[str, int]) -> None:
    edit_config(model_folder, format_version=2, **more)
    with pytest.raises(FormatTooNew, match="format version 2"):
        embed(model_folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dimension": 15}, r"holds .*int8\[\d+, 16\].* not .*int8\[\d+, 15\]"),
        ({"unknown_piece": 100_000}, "unknown_piece is 100000 of"),
        ({"max_tokens": 0}, "max_tokens"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    model_folder: Path, values: dict[str, int], message: str
) -> None:
    edit_config(model_folder, **values)
    with pytest.raises(UnreadableFile, match=message):
        embed(model_folder)


def test_a_vocabulary_that_does_not_fit_is_refused(model_folder: Path) -> None:
    path = model_folder / "sentencepiece.model"
    path.write_bytes(b"no vocabulary")
    edit_config(model_folder, vocabulary_sha256=sha256(b"no vocabulary").hexdigest())
    with pytest.raises(UnreadableFile, match="not a SentencePiece model"):
        embed(model_folder)
    other = (BUNDLED / "sentencepiece.model").read_bytes()
    path.write_bytes(other)
    edit_config(model_folder, vocabulary_sha256=sha256(other).hexdigest())
    with pytest.raises(UnreadableFile, match="has 80000 pieces, not"):
        embed(model_folder)


@pytest.mark.parametrize("fault", ["nan", "negative", "unknown"])
def test_a_table_with_impossible_values_is_refused(model_folder: Path, fault: str) -> None:
    path = model_folder / "table.safetensors"
    arrays = load(path.read_bytes())
    match fault:
        case "nan":
            arrays["scales"][5] = np.nan
        case "negative":
            arrays["scales"][5] = -1
        case _:
            arrays["table"][0] = 0
    data = save(arrays)
    path.write_bytes(data)
    edit_config(model_folder, table_sha256=sha256(data).hexdigest())
    with pytest.raises(UnreadableFile, match=r"table\.safetensors: .*(scale|unknown piece)"):
        embed(model_folder)
