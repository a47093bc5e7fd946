"""Long texts: divided at the ends of sentences, stored as one document, found by their parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant import Collection, F, load_embedder, load_store
from xlingual_qdrant.dividing import spans
from xlingual_qdrant.errors import (
    InvalidDocument,
    SettingsError,
    TextSuspect,
    TextTruncated,
    UsageError,
)
from xlingual_qdrant.testing.corpus import ODD_STRINGS
from xlingual_qdrant.transfer import move, reembed

TOWN = " ".join(f"Sentence {i} tells of old towns and their walls." for i in range(150))
GARDEN = " ".join(f"Satz {i} handelt von Gärten, Wäldern und Flüssen." for i in range(150))
NEEDLE = " ".join(
    f"Parcel {i} was delivered to the neighbour; ask her for your package and its invoice."
    for i in range(12)
)
LONG = f"{TOWN} {NEEDLE} {GARDEN}"


def shorter_than(limit: int):
    def fits(parts: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([len(part) <= limit for part in parts], dtype=np.bool_)

    return fits


@pytest.mark.parametrize("text", [LONG, "字。" * 3000, "字" * 5000, "x" * 5000, *ODD_STRINGS])
def test_parts_fit_and_leave_nothing_out(text: str) -> None:
    [parts] = spans([text], shorter_than(200))
    assert all(last - first <= 200 for first, last in parts)
    covered = set()
    for first, last in parts:
        covered |= set(range(first, last))
    assert all(text[i].isspace() for i in set(range(len(text))) - covered)
    assert parts == sorted(parts)


def test_parts_end_where_sentences_do_and_overlap_by_a_sentence() -> None:
    [parts] = spans([TOWN], shorter_than(400))
    assert len(parts) > 10
    texts = [TOWN[first:last] for first, last in parts]
    assert all(text.startswith("Sentence") and text.endswith("walls.") for text in texts)
    overlaps = [before[1] - after[0] for before, after in pairwise(parts)]
    assert all(40 < overlap < 60 for overlap in overlaps)


def test_words_are_kept_whole_where_there_are_no_sentences() -> None:
    text = " ".join(["palabra"] * 500)
    [parts] = spans([text], shorter_than(100))
    assert {word for first, last in parts for word in text[first:last].split()} == {"palabra"}


def test_a_text_that_fits_is_one_part() -> None:
    assert spans(["  short. Two sentences. "], shorter_than(100)) == [[(2, 23)]]


@pytest.fixture
def collection(collection_kind: str, tmp_path) -> Iterator[Collection]:
    settings = {"stores": {"here": {"kind": collection_kind}}, "store": "here"}
    if collection_kind != "memory":
        settings["stores"]["here"]["path"] = str(tmp_path / "data")
    with Collection.open("long", settings=settings) as opened:
        yield opened


@pytest.fixture(params=["memory", "faiss", "qdrant"])
def collection_kind(request: pytest.FixtureRequest) -> str:
    return request.param


def documents() -> list[dict]:
    return [
        {"id": "book", "text": LONG, "lang": "en", "metadata": {"shelf": 1}},
        {"id": "dog", "text": "Der Hund bellt im Garten.", "lang": "de", "metadata": {"shelf": 2}},
    ]


def test_a_long_document_is_found_by_its_part_and_returned_whole(collection: Collection) -> None:
    report = collection.add(documents(), long_texts="chunk")
    assert (report.added, report.chunked, report.truncated) == (2, 1, 0)
    [hit] = collection.search("Où est mon colis, chez la voisine ?", k=1)
    assert (hit.id, hit.text, hit.metadata) == ("book", LONG, {"shelf": 1})
    assert hit.chunk is not None
    assert "was delivered to the neighbour" in hit.chunk.text
    assert LONG[hit.chunk.start : hit.chunk.end] == hit.chunk.text


def test_only_documents_are_counted_listed_and_got(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    assert len(collection) == 2
    assert collection.count(langs="en") == collection.count(where="shelf = 1") == 1
    assert collection.languages() == {"de": 1, "en": 1}
    assert {document.id for document in collection.documents()} == {"book", "dog"}
    info = collection.info()
    assert info.count == 2
    assert info.chunks > 10
    hidden = next(
        document.id
        for batch in collection.stored.scan(~F("_chunk_of").is_missing())
        for document in batch.documents
    )
    assert collection.get(hidden) is None
    assert hidden not in collection


def test_a_document_is_one_hit_and_k_counts_documents(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    hits = collection.search("old towns and their walls", k=2)
    assert [hit.id for hit in hits] == ["book", "dog"]
    groups = collection.search_by_language("old towns", k=1)
    assert {tag: [hit.id for hit in found] for tag, found in groups.items()} == {
        "en": ["book"],
        "de": ["dog"],
    }


def test_filters_mean_the_same_for_parts(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    query = "old towns"
    assert [hit.id for hit in collection.search(query, where="shelf = 1")] == ["book"]
    assert [hit.id for hit in collection.search(query, where=F("id") == "book")] == ["book"]
    assert [hit.id for hit in collection.search(query, where=F("id") != "book")] == ["dog"]
    assert [hit.id for hit in collection.search(query, langs="!en")] == ["dog"]


def test_an_update_leaves_no_part_of_the_old_text(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    rows = collection.stored.count()
    again = collection.add(documents(), long_texts="chunk")
    assert (again.unchanged, collection.stored.count()) == (2, rows)
    collection.add({"id": "book", "text": f"{NEEDLE} {TOWN}", "lang": "en"}, long_texts="chunk")
    assert collection.stored.count() < rows
    collection.add({"id": "book", "text": "Kurz.", "lang": "de"})
    assert collection.stored.count() == 2
    assert collection.search(NEEDLE, k=1)[0].chunk is None


@pytest.mark.parametrize("by", ["ids", "where"])
def test_deleting_a_document_deletes_its_parts(collection: Collection, by: str) -> None:
    collection.add(documents(), long_texts="chunk")
    deleted = collection.delete("book") if by == "ids" else collection.delete(langs="en")
    assert deleted == 1
    assert collection.stored.count() == len(collection) == 1
    assert [hit.id for hit in collection.search(NEEDLE)] == ["dog"]


def test_a_part_whose_document_is_gone_is_no_hit(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    collection.stored.delete(["book"])
    assert [hit.id for hit in collection.search(NEEDLE, k=5)] == ["dog"]


def test_parts_are_moved_and_made_again_by_another_embedder(tmp_path) -> None:
    def at(name: str) -> dict:
        return {"stores": {"at": {"kind": "faiss", "path": str(tmp_path / name)}}, "store": "at"}

    with Collection.open("long", settings=at("a")) as first:
        first.add(documents(), long_texts="chunk")
        rows = first.stored.count()
    source = load_store({"kind": "faiss", "path": str(tmp_path / "a")})
    target = load_store({"kind": "faiss", "path": str(tmp_path / "b")})
    move(source, target, "long")
    source.close()
    half = Halved()
    report = reembed(target, "long", half)
    target.close()
    assert (report.count, report.truncated) == (2, 0)
    with Collection.open("long", settings=at("b"), embedder=half) as moved:
        assert len(moved) == 2
        assert moved.stored.count() > rows
        [hit] = moved.search("Où est mon colis, chez la voisine ?", k=1)
        assert hit.chunk is not None
        assert "was delivered to the neighbour" in hit.chunk.text


class Halved:
    """The bundled model reading half as much, so that it is another one."""

    def __init__(self) -> None:
        self._inner = load_embedder()
        self.dimension = self._inner.dimension
        self.max_tokens = 100
        self.fingerprint = self._inner.fingerprint.model_copy(update={"max_tokens": 100})

    def embed_documents(self, texts):
        return self._inner.embed_documents(texts)

    embed_queries = embed_documents

    def truncated(self, texts):
        return np.array([len(text.split()) > 60 for text in texts], dtype=np.bool_)


def test_by_default_truncation_is_warned_of(collection: Collection) -> None:
    with pytest.warns(TextTruncated, match=r"1 of 2 texts are longer than the 512 tokens"):
        report = collection.add(documents())
    assert report.truncated == 1
    assert collection.stored.count() == 2


def test_a_long_query_is_warned_of(collection: Collection) -> None:
    collection.add("Kurz.")
    with pytest.warns(TextTruncated, match="only its beginning was searched for"):
        collection.search(LONG)


def test_long_texts_can_be_an_error_with_their_position(collection: Collection) -> None:
    with pytest.raises(InvalidDocument, match=r"document 1: .*more than the 512 tokens") as caught:
        collection.add(["short", LONG], long_texts="error")
    assert caught.value.reason == "too-long"
    assert len(collection) == 0


def test_the_policy_comes_from_the_settings() -> None:
    with Collection.open("x", settings={"store": "memory", "long_texts": "chunk"}) as opened:
        assert opened.add(LONG).chunked == 1


def test_an_unknown_policy_is_an_error() -> None:
    with (
        Collection.open("x", store="memory") as opened,
        pytest.raises(UsageError, match="long_texts is 'warn', 'error' or 'chunk'"),
    ):
        opened.add("text", long_texts="cut")
    with pytest.raises(SettingsError, match="long_texts"):
        Collection.open("x", settings={"store": "memory", "long_texts": "cut"})


def test_the_key_of_parts_is_not_for_documents(collection: Collection) -> None:
    with pytest.raises(InvalidDocument, match="marks the chunks"):
        collection.add({"text": "a", "metadata": {"_chunk_of": "b"}})


def test_damaged_looking_texts_are_warned_of(collection: Collection) -> None:
    with pytest.warns(TextSuspect, match="1 mojibake"):
        report = collection.add(["cafÃ© au lait", "sound"])
    assert report.suspect == {"mojibake": 1}
    assert collection.count() == 2
