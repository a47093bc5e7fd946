"""What the figures of the bench mean."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlingual_qdrant import load_embedder
from xlingual_qdrant.errors import FileUnavailable, UnreadableFile
from xlingual_qdrant.guide.quality import (
    agreement,
    similarity_correlation,
    spearman,
    translations_both_ways,
    translations_found,
)
from xlingual_qdrant.guide.texts import Graded, Pair, read_evaluation, sample, speed_texts
from xlingual_qdrant.schema import EmbedderFingerprint


class Table:
    """An embedder that looks its vectors up, apart for queries and documents."""

    def __init__(self, documents: dict[str, Sequence[float]], prompts: dict[str, str]) -> None:
        self.dimension, self.max_tokens = 2, None
        self.fingerprint = EmbedderFingerprint(
            kind="table", model="t", dimension=2, prompts=prompts, probes=[]
        )
        self.documents = documents
        self.asked: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Any:
        self.asked.append("documents")
        rows = np.array([self.documents[text] for text in texts], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_queries(self, texts: Sequence[str]) -> Any:
        vectors = self.embed_documents(texts)
        self.asked[-1] = "queries"
        return vectors

    def truncated(self, texts: Sequence[str]) -> Any:
        return np.zeros(len(texts), dtype=np.bool_)


VECTORS = {
    "eins": [1, 0],
    "zwei": [0, 1],
    "un": [1, 0.1],
    "deux": [1, 0.2],
    "One!": [1, 0],
    "one": [1, 0.2],
    "two": [0, 1],
}
PAIRS = [
    Pair("eins", "One!", "de"),
    Pair("zwei", "two", "de"),
    Pair("un", "one", "fr"),
    Pair("deux", "two", "fr"),
]


def test_a_translation_is_found_among_those_of_all_languages() -> None:
    # For "un" the German pair's "One!" is nearest: the same words, so it counts as found.
    assert translations_found(Table(VECTORS, {}), PAIRS) == {"de": 1.0, "fr": 0.5}


def test_both_ways_each_language_is_searched_for_itself() -> None:
    shares = translations_both_ways(Table(VECTORS, {}), PAIRS)
    assert shares == {"de": (1.0, 1.0), "fr": (0.5, 0.5)}


def test_roles_are_kept_apart_only_where_the_model_does() -> None:
    plain, prompted = Table(VECTORS, {}), Table(VECTORS, {"query": "query: "})
    translations_both_ways(plain, PAIRS)
    translations_both_ways(prompted, PAIRS)
    assert plain.asked == ["queries"] * 2
    assert prompted.asked == ["queries"] * 2 + ["documents"] * 2


def test_the_correlation_is_that_of_ranks() -> None:
    assert spearman(np.array([1, 2, 3]), np.array([10, 100, 1000])) == pytest.approx(1)
    assert spearman(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)
    # Equal values share their mean rank: 1, 2.5, 2.5, 4.
    with_ties = spearman(np.array([1, 2, 2, 3]), np.array([1, 2, 3, 4]))
    assert with_ties == pytest.approx(0.9486833)
    assert spearman(np.array([1, 1, 1]), np.array([1, 2, 3])) == 0


def test_similarity_is_correlated_group_by_group() -> None:
    graded = [
        Graded("eins", "One!", 5, "a"),
        Graded("eins", "one", 4, "a"),
        Graded("eins", "two", 0, "a"),
        Graded("eins", "One!", 0, "b"),
        Graded("eins", "two", 5, "b"),
    ]
    assert similarity_correlation(Table(VECTORS, {}), graded) == pytest.approx({"a": 1, "b": -1})


def test_agreement_is_the_least_and_the_mean_cosine() -> None:
    rows = np.eye(2, dtype=np.float32)
    assert agreement(rows, rows) == (1.0, 1.0)
    assert agreement(rows, np.array([[1, 0], [1, 0]], dtype=np.float32)) == (0.0, 0.5)


def test_the_sample_has_as_many_pairs_of_each_language() -> None:
    pairs = sample(60)
    counts = {lang: sum(pair.lang == lang for pair in pairs) for lang in {p.lang for p in pairs}}
    assert len(counts) == 33
    assert set(counts.values()) == {60}
    assert sample(2) == [pair for first in range(0, 33 * 60, 60) for pair in pairs[first:][:2]]


def test_the_bundled_model_finds_nine_in_ten_of_the_sample() -> None:
    shares = translations_found(load_embedder(), sample(20))
    assert 0.85 < np.mean(list(shares.values())) < 1


def test_texts_for_speed_are_long_enough_and_never_the_same() -> None:
    for least, count in ((0, 10_000), (400, 5_000), (2_000, 100)):
        texts = speed_texts(least, count, 0)
        assert len(set(texts)) == count
        assert all(len(text) >= least for text in texts)
    assert speed_texts(400, 5, 10) == speed_texts(400, 15, 0)[10:]


TATOEBA = "id\tlang\ttext\tenglish\n1\tde\tHallo\tHello\n"
STS = "pair\tscore\ttext1\ttext2\nen-en\t4.5\ta\tb\n"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.tsv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_a_folder_of_evaluation_files_is_read(tmp_path: Path) -> None:
    found = read_evaluation(write(tmp_path, tatoeba=TATOEBA, sts=STS))
    assert found.tatoeba == [Pair("Hallo", "Hello", "de")]
    assert found.sts == [Graded("a", "b", 4.5, "en-en")]
    (tmp_path / "sts.tsv.gz").unlink()
    assert read_evaluation(tmp_path).sts == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:30], "is damaged"),
        (lambda data: b"lang\ttext", "gzip"),
        (lambda data: gzip.compress(b"\xff\xfe"), "is not UTF-8"),
        (lambda data: gzip.compress(b"lang\ttext\nde\tHallo\n"), "has no column 'english'"),
        (lambda data: gzip.compress(TATOEBA.encode() + b"2\tde\n"), "row 3 has 2 columns, not 4"),
    ],
)
def test_a_faulty_evaluation_file_is_named(
    tmp_path: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    file = write(tmp_path, tatoeba=TATOEBA) / "tatoeba.tsv.gz"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UnreadableFile, match=words) as caught:
        read_evaluation(tmp_path)
    assert str(file) in str(caught.value)


def test_a_score_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="row 2: 'high' is no number"):
        read_evaluation(write(tmp_path, sts=STS.replace("4.5", "high")))


def test_a_folder_without_evaluation_files_is_said_to_be(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FileUnavailable, match="holds neither"):
            read_evaluation(folder)
