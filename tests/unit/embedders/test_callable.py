"""A user's function as an embedder: what may come back from it, and what may not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from xlingual_adapters.embedders.callable import CallableEmbedder

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import InvalidVectors, SettingsError, UsageError
from xlingual_qdrant.schema import PROBES

EXPECTED = np.float32([[0.6, 0.8], [0.6, 0.8]])


class Tensor:
    """An array of another library, as NumPy sees it."""

    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = rows

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.rows, dtype=dtype)


def embedder(function: Callable[[list[str]], Any], **options: Any) -> CallableEmbedder:
    return CallableEmbedder(function, **{"name": "mine", "dimension": 2, **options})


def answering(*rows: Any) -> CallableEmbedder:
    """Return an embedder of a function that always gives these rows."""
    return embedder(lambda texts: list(rows))


def numbered(texts: list[str]) -> np.ndarray:
    """Embed the text "7" in the direction of 7 degrees."""
    angles = np.radians([float(text) for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def by_one(texts: list[str]) -> Iterator[np.ndarray]:
    for _ in texts:
        yield np.array([3.0, 4.0])


@pytest.mark.parametrize(
    "function",
    [
        lambda texts: [[3, 4] for _ in texts],
        lambda texts: tuple((3.0, 4.0) for _ in texts),
        lambda texts: np.array([[3, 4]] * len(texts), dtype=np.float16),
        lambda texts: np.array([[30_000, 40_000]] * len(texts), dtype=np.float16),
        lambda texts: np.array([[3e200, 4e200]] * len(texts), dtype=np.float64) / 1e190,
        lambda texts: np.array([[3, 4]] * len(texts), dtype=np.int8),
        lambda texts: np.array([[3, 4]] * len(texts), dtype=np.float32, order="F"),
        lambda texts: Tensor([[3, 4]] * len(texts)),
        by_one,
    ],
)
def test_anything_like_an_array_becomes_unit_rows(function: Any) -> None:
    vectors = embedder(function).embed_documents(["a", "b"])
    np.testing.assert_allclose(vectors, EXPECTED, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous


def test_tensors_of_torch_are_taken() -> None:
    torch = pytest.importorskip("torch", reason="compares with tensors of torch")
    rows = torch.tensor([[3.0, 4.0]] * 2)
    np.testing.assert_allclose(embedder(lambda _: rows).embed_documents(["a", "b"]), EXPECTED)
    with pytest.raises(InvalidVectors, match=r"returned what is no array: .*requires grad"):
        embedder(lambda _: rows.requires_grad_()).embed_documents(["a", "b"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 0.0]], r"shape \[1, 2\] for 2 texts; .* \[2, dimension\]"),
        ([[1.0, 0.0]] * 3, r"shape \[3, 2\] for 2 texts"),
        ([1.0, 0.0], r"shape \[2\] for 2 texts"),
        ([[[1.0, 0.0]]] * 2, r"shape \[2, 1, 2\]"),
        ([[], []], r"shape \[2, 0\]"),
        ([[1.0, 0.0, 0.0]] * 2, "vectors of 3 dimensions, not of 2, for the text 'first'"),
        ([[1.0, 0.0], [1.0]], "no array"),
        ([[1.0, 0.0], [float("nan"), 0.0]], "not finite for the text 'second'"),
        ([[float("-inf"), 0.0], [1.0, 0.0]], "not finite for the text 'first'"),
        ([[1.0, 0.0], [0.0, 0.0]], "zeros, which has no direction, for the text 'second'"),
        ([["1", "0"]] * 2, "list of <U1, not of numbers"),
        ([[True, False]] * 2, "list of bool, not of numbers"),
        ([None, None], "list of object, not of numbers"),
        ([{"a": 1}, {"a": 2}], "list of object, not of numbers"),
    ],
)
def test_what_is_wrong_is_said_with_the_function_and_the_text(rows: Any, message: str) -> None:
    with pytest.raises(InvalidVectors, match=message) as caught:
        answering(*rows).embed_documents(["first", "second"])
    assert "answering.<locals>.<lambda>" in str(caught.value)


def test_a_forgotten_return_is_seen() -> None:
    with pytest.raises(InvalidVectors, match="returned NoneType of object"):
        embedder(lambda texts: None).embed_documents(["a"])


def test_an_error_of_the_function_passes() -> None:
    with pytest.raises(ZeroDivisionError):
        embedder(lambda texts: 1 / 0).embed_documents(["a"])


def test_the_dimension_is_found_out_with_the_probes() -> None:
    asked: list[list[str]] = []

    def function(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        return [[1.0, 2.0, 3.0]] * len(texts)

    found = embedder(function, dimension=None)
    assert asked == []
    assert found.dimension == 3
    assert found.embed_documents([]).shape == (0, 3)
    assert found.fingerprint.dimension == 3
    assert asked == [list(PROBES)]


def test_a_dimension_that_changes_is_seen() -> None:
    growing = embedder(lambda texts: [[1.0] * len(texts)] * len(texts), dimension=None)
    with pytest.raises(InvalidVectors, match=f"of 2 dimensions, not of {len(PROBES)}"):
        growing.embed_documents(["a", "b"])


def test_batches_are_small_and_in_order() -> None:
    sizes: list[int] = []

    def function(texts: list[str]) -> np.ndarray:
        sizes.append(len(texts))
        texts_before = list(texts)
        vectors = numbered(texts)
        texts.clear()  # what a function does to its list is its own matter
        return vectors if texts_before else vectors[:0]

    texts = [str(i) for i in range(10)]
    vectors = embedder(function, batch_size=4).embed_documents(texts)
    assert sizes == [4, 4, 2]
    np.testing.assert_allclose(vectors, numbered(texts), atol=1e-6)


def test_queries_may_have_a_function_of_their_own() -> None:
    apart = embedder(numbered, query_function=lambda texts: [[0.0, 1.0]] * len(texts))
    assert apart.embed_documents(["0"]).tolist() == [[1, 0]]
    assert apart.embed_queries(["0"]).tolist() == [[0, 1]]


def test_vectors_that_should_have_length_one_are_checked() -> None:
    assert embedder(numbered, normalize=False).embed_documents(["30"]).shape == (1, 2)
    with pytest.raises(InvalidVectors, match="length 5 for the text 'a'"):
        embedder(lambda texts: [[3, 4]], normalize=False).embed_documents(["a"])


def test_a_function_says_what_is_read_in_part() -> None:
    long = embedder(
        numbered, max_tokens=3, truncated=lambda texts: [len(text) > 3 for text in texts]
    )
    assert long.truncated(["abc", "abcd"]).tolist() == [False, True]
    assert embedder(numbered).truncated(["abcd"]).tolist() == [False]
    wrong = embedder(numbered, max_tokens=3, truncated=lambda texts: [7])
    with pytest.raises(InvalidVectors, match="one bool for each"):
        wrong.truncated(["abc", "abcd"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": " "}, "name='my-model'"),
        ({"max_tokens": 3}, "belong together"),
        ({"truncated": lambda texts: []}, "belong together"),
        ({"dimension": 0}, "dimension is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        embedder(numbered, **options)


def test_the_fingerprint_has_name_and_revision() -> None:
    known = embedder(lambda texts: [[3, 4]] * len(texts), name="acme/e1", revision="2").fingerprint
    assert (known.kind, known.model, known.revision) == ("callable", "acme/e1", "2")
    assert known.probes[0] == [0.6, 0.8]


def letters(texts: list[str]) -> np.ndarray:
    vectors = np.full((len(texts), 64), 0.1)
    for row, text in zip(vectors, texts, strict=True):
        for letter in text.casefold():
            row[ord(letter) % 64] += 1
    return vectors


def test_a_collection_takes_it_at_once(tmp_path: Path) -> None:
    place = {"store": "s", "stores": {"s": {"kind": "faiss", "path": str(tmp_path)}}}
    with Collection.open(
        "harbour", settings=place, embedder=CallableEmbedder(letters, name="letters")
    ) as harbour:
        harbour.add(["Das Boot ist im Hafen", "Die Katze schläft"])
        assert harbour.search("Boote im Hafen", k=1)[0].text == "Das Boot ist im Hafen"


MODULE = """
def embed(texts):
    return [[len(text) + 1, 1] for text in texts]


class models:
    @staticmethod
    def embed(texts):
        return [[1, len(text) + 1] for text in texts]


seven = 7
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_embeddings.py").write_text(MODULE)
    (tmp_path / "own_lacking.py").write_text("import nowhere_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_embeddings"
    sys.modules.pop("own_embeddings", None)


def test_settings_name_a_function(module: str) -> None:
    section = {"kind": "callable", "name": "own", "function": f"{module}:embed"}
    found = load_embedder({**section, "query_function": f"{module}:models.embed"})
    np.testing.assert_allclose(found.embed_documents(["ab"]), [[0.9487, 0.3162]], atol=1e-4)
    np.testing.assert_allclose(found.embed_queries(["ab"]), [[0.3162, 0.9487]], atol=1e-4)
    assert found.fingerprint.model == "own"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("nowhere.at_all:embed", "there is no module 'nowhere'; install .* PYTHONPATH"),
        ("own_lacking:embed", "there is no module 'nowhere_installed'"),
        ("{module}:ebmed", "own_embeddings has no 'ebmed'"),
        ("{module}:models.ebmed", r"own_embeddings has no 'models\.ebmed'"),
        ("{module}:seven", "no function but int"),
        ("{module}", "like 'mypackage.embeddings:embed'"),
        ("{module}:embed; import os", "like 'mypackage.embeddings:embed'"),
        (".{module}:embed", "like 'mypackage.embeddings:embed'"),
    ],
)
def test_a_function_that_cannot_be_had_is_refused(module: str, function: str, message: str) -> None:
    section = {"kind": "callable", "name": "own", "function": function.format(module=module)}
    with pytest.raises(SettingsError, match=message):
        load_embedder(section)


@pytest.mark.parametrize("missing", ["name", "function"])
def test_a_section_needs_name_and_function(module: str, missing: str) -> None:
    section = {"kind": "callable", "name": "own", "function": f"{module}:embed"}
    del section[missing]
    with pytest.raises(SettingsError, match=missing):
        load_embedder(section)


def test_the_current_folder_is_not_searched_by_itself(tmp_path: Path) -> None:
    """A folder with a settings file must not run code of its own when somebody looks into it."""
    (tmp_path / "own_embeddings.py").write_text(MODULE)
    (tmp_path / "xlingual.toml").write_text(
        'embedder = "own"\n[embedders.own]\nkind = "callable"\nname = "own"\n'
        'function = "own_embeddings:embed"\n'
    )
    program = Path(sys.executable).with_name("xlingual")
    done = subprocess.run(
        [program, "embed"],
        cwd=tmp_path,
        input="text\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "there is no module 'own_embeddings'" in done.stderr
