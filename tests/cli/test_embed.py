"""`xlingual embed`."""

from __future__ import annotations

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
