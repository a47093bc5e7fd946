"""`xlingual embed`."""

from __future__ import annotations

import json

import numpy as np

from xlingual_qdrant import load_embedder

TEXTS = "Guten Morgen\nBonjour à tous\r\n"


def test_vectors_come_as_json_lines(run, parse):
    result = run("embed", input=TEXTS)
    rows = parse(result.stdout)
    assert [row["text"] for row in rows] == ["Guten Morgen", "Bonjour à tous"]
    vectors = np.array([row["vector"] for row in rows], dtype=np.float32)
    wanted = load_embedder().embed_documents(["Guten Morgen", "Bonjour à tous"])
    assert np.array_equal(vectors, wanted)
    assert result.stderr == ""


def test_vectors_come_as_an_array(folder, run):
    result = run("embed", "--role", "query", "--output", "x.npy", input=TEXTS)
    assert (result.exit_code, result.stdout) == (0, "")
    vectors = np.load(folder / "x.npy")
    assert vectors.dtype == np.float32
    assert np.array_equal(
        vectors, load_embedder().embed_queries(["Guten Morgen", "Bonjour à tous"])
    )


def test_an_empty_line_is_named(run):
    result = run("embed", input="one\n\nthree\n")
    assert result.exit_code == 1
    assert "line 2" in result.stderr


def test_no_input_is_no_output(folder, run):
    assert run("embed", input="").stdout == ""
    assert run("embed", "--output", "x.npy", input="").exit_code == 0
    assert np.load(folder / "x.npy").shape == (0, load_embedder().dimension)


def test_an_error_of_a_function_of_the_users_is_called_theirs(run, monkeypatch):
    def mine(texts):
        raise ValueError("no such dictionary")

    monkeypatch.setattr(json, "mine", mine, raising=False)
    for name, value in (("KIND", "callable"), ("NAME", "mine"), ("FUNCTION", "json:mine")):
        monkeypatch.setenv(f"XLINGUAL_EMBEDDERS__OWN__{name}", value)
    result = run("embed", "--embedder", "own", input=TEXTS)
    assert result.exit_code == 1
    assert "mine, the function of the embedder, has failed: ValueError: no such" in result.stderr
    assert "report it" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
