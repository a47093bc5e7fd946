"""What is on disk: one copy of each vector, room given back, indexes where they are due."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from xlingual_adapters.stores.faiss import compaction, indexes

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F

Make = Callable[..., Any]


def test_a_vector_is_stored_once_in_the_file_of_its_language(
    opened: Make, documents: Make, vectors: Make, folder: Path
) -> None:
    collection = opened()
    collection.write(documents(4000), vectors(4000))
    collection.close()
    sizes = {path.name.split(".")[0]: path.stat().st_size for path in folder.glob("vectors/*")}
    assert sizes == dict.fromkeys(("de", "en", "fr", "pt-BR"), 1000 * 32 * 4)
    names = {path.name for path in folder.iterdir()}
    assert names == {"collection.sqlite", "vectors"}
    assert {path.name for path in folder.parent.iterdir()} == {"1", "current", "write.lock"}
    assert (folder.parent / "current").read_bytes() == b"1\n"


def test_compaction_gives_room_back(
    opened: Make, documents: Make, vectors: Make, folder: Path
) -> None:
    collection = opened()
    for version in range(3):
        collection.write(documents(2000, version=version), vectors(2000, seed=version))
    collection.delete_where(F("lang") != "de")
    before = collection.describe()
    assert before["dead"] == 5500
    collection.compact()
    after = collection.describe()
    assert after["dead"] == 0
    assert after["bytes"] < before["bytes"] / 4
    assert [path.stat().st_size for path in folder.glob("vectors/*")] == [500 * 32 * 4]
    [hits] = collection.search(vectors(1, seed=2), 1)
    assert (hits[0].id, hits[0].metadata["version"]) == ("00000", 2)


def test_a_file_of_which_most_is_dead_is_compacted_unasked(
    opened: Make, documents: Make, vectors: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MANY_DEAD", 100)
    collection = opened()
    for version in range(20):
        collection.write(documents(400, version=version), vectors(400, seed=version))
        assert collection.describe()["dead"] <= 4 * 101
    assert collection.count() == 400
    [hits] = collection.search(vectors(1, seed=19), 1)
    assert (hits[0].id, hits[0].score) == ("00000", pytest.approx(1, abs=1e-6))


def test_auto_indexes_large_languages_only_and_says_so(
    opened: Make, vectors: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "AUTO_HNSW_FROM", 1000)
    monkeypatch.setattr(indexes, "AUTO_IVF_FROM", 3000)
    collection = opened("auto")
    counts = {"de": 3500, "en": 1500, "fr": 100}
    langs = [lang for lang, count in counts.items() for _ in range(count)]
    written = [Document("x", str(number), lang) for number, lang in enumerate(langs)]
    collection.write(written, vectors(len(written)))
    assert collection.describe()["indexes"]["de"] == "exact (ivf not built yet)"
    collection.flush()
    facts = collection.describe()
    assert facts["indexes"] == {"de": "ivf", "en": "hnsw", "fr": "exact"}
    assert facts["index"] == "auto"
    assert [hit.id for hit in collection.search(vectors(1), 1)[0]] == ["0"]


def test_an_index_is_extended_when_much_has_come_after_it(
    opened: Make, vectors: Make, folder: Path
) -> None:
    collection = opened("hnsw", index_from=500)
    for first in (0, 1500, 3000):
        new = [Document("x", str(number)) for number in range(first, first + 1500)]
        collection.write(new, vectors(1500, seed=first))
        collection.flush()
        [path] = folder.glob("indexes/*")
        late = first // 1500
        assert path.name.split(".")[2] == str(first + 1500 + late)
        collection.write([Document("x", f"late {late}")], vectors(1, seed=7))
        collection.flush()
        assert path.exists()
    for first in (0, 1500, 3000):
        found = collection.search(vectors(2, seed=first), 1)
        assert [hits[0].id for hits in found] == [str(first), str(first + 1)]


def test_an_odd_language_tag_makes_a_safe_file_name(
    opened: Make, vectors: Make, folder: Path
) -> None:
    collection = opened()
    collection.write([Document("a", "a", "../x/\0"), Document("b", "b", "")], vectors(2))
    assert {path.parent.name for path in folder.rglob("*.f32")} == {"vectors"}
    assert collection.count_by_language() == {"../x/\0": 1, "": 1}
