"""Long texts: divided at the ends of sentences, stored as one document, found by their parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from threading import Thread

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
from xlingual_qdrant.ports import Store
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


@pytest.mark.parametrize("text", ["😀" * 4000, "=" * 4000, "e" + "\u0301" * 4000])
def test_signs_that_are_no_letters_are_halved_as_letters_are(text: str) -> None:
    asked = 0

    def fits(parts: Sequence[str]) -> NDArray[np.bool_]:
        nonlocal asked
        asked += 1
        return shorter_than(200)(parts)

    [parts] = spans([text], fits)
    assert len(parts) < 100
    assert asked < 20


def test_a_letter_keeps_its_marks_and_joined_signs_stay_together() -> None:
    for letter in ("e\u0301\u0323", "👩\u200d👩\u200d👧"):
        [parts] = spans([letter * 200], shorter_than(100))
        assert len(parts) > 3
        assert all((last - first) % len(letter) == 0 for first, last in parts)


def test_long_rows_of_marks_are_searched_for_sentences_once() -> None:
    # If each of them were a beginning, this would take hours.
    assert len(spans([("." * 500_000 + "x") * 2], shorter_than(2_000_000))[0]) == 1
    [parts] = spans(["Really?!.. " * 40], shorter_than(100))
    texts = [("Really?!.. " * 40)[first:last] for first, last in parts]
    assert all(text.startswith("Really") and text.endswith("?!..") for text in texts)


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


def test_a_part_of_a_text_that_is_no_more_is_no_hit(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    [found] = collection.stored.fetch(["dog"])
    assert found is not None
    whole = replace(found, id="book")
    # As another process does that comes in between, or one that is interrupted.
    collection.stored.write([whole], load_embedder().embed_documents([whole.text]))
    hits = collection.search(NEEDLE, k=5)
    assert sorted((hit.id, hit.chunk) for hit in hits) == [("book", None), ("dog", None)]


def test_a_document_is_not_there_before_its_parts(collection: Collection, monkeypatch) -> None:
    monkeypatch.setattr(collection.stored, "write", failing_after(1, collection.stored.write))
    with pytest.raises(KeyboardInterrupt):
        collection.add(documents(), long_texts="chunk")
    monkeypatch.undo()
    assert len(collection) == 0
    assert collection.search(NEEDLE) == []
    report = collection.add(documents(), long_texts="chunk")
    assert (report.added, report.chunked) == (2, 1)
    assert collection.search(NEEDLE, k=1)[0].chunk is not None


def failing_after(times: int, write):
    done = 0

    def write_or_fail(rows, vectors):
        nonlocal done
        if done == times:
            raise KeyboardInterrupt
        done += 1
        return write(rows, vectors)

    return write_or_fail


def test_a_document_that_is_nearest_as_a_whole_names_its_nearest_part(
    collection: Collection,
) -> None:
    collection.add(documents(), long_texts="chunk")
    [whole] = collection.stored.fetch_vectors(["book"])
    assert whole is not None
    [direct] = collection.stored.search(whole[None], 1)[0]
    assert direct.id == "book"
    [hit] = collection.search(whole, k=1)
    by_language = collection.search_by_language(whole, k=1)["en"]
    assert [hit] == by_language
    assert hit.chunk is not None
    assert hit.score == direct.score
    parts = [hit.chunk.text for hit in collection.search(whole, k=2) if hit.chunk]
    assert parts == [hit.chunk.text]


def test_another_thread_does_not_come_between_parts_and_document(
    collection: Collection, monkeypatch
) -> None:
    def add(text: str) -> None:
        collection.add({"id": "book", "text": text, "lang": "en"}, long_texts="chunk")

    write, other = collection.stored.write, Thread(target=add, args=(f"{GARDEN} {TOWN}",))

    def write_and_let_the_other(rows, vectors):
        receipt = write(rows, vectors)
        if other.ident is None:
            other.start()
            other.join(timeout=0.5)  # it has to wait for this one
        return receipt

    monkeypatch.setattr(collection.stored, "write", write_and_let_the_other)
    add(f"{NEEDLE} {TOWN}")
    other.join()
    [book] = collection.documents()
    parts = [
        document
        for batch in collection.stored.scan(~F("_chunk_of").is_missing())
        for document in batch.documents
    ]
    assert len(parts) > 5
    for part in parts:
        first, last = part.metadata["_chunk_span"]
        assert book.text[first:last] == part.text


def test_a_chunk_cannot_be_deleted_by_its_id(collection: Collection) -> None:
    collection.add(documents(), long_texts="chunk")
    hidden = next(
        document.id
        for batch in collection.stored.scan(~F("_chunk_of").is_missing())
        for document in batch.documents
    )
    rows = collection.stored.count()
    assert collection.delete([hidden, "dog"]) == 1
    assert collection.stored.count() == rows - 1


def test_moving_again_leaves_no_chunk_of_the_old_text(tmp_path) -> None:
    source = load_store({"kind": "faiss", "path": str(tmp_path / "a")})
    target = load_store("memory")
    with Collection.open("long", store=source) as first:
        first.add(documents(), long_texts="chunk")
    report = move(source, target, "long")
    assert (report.read, report.written) == (2, 2)
    with Collection.open("long", store=source) as first:
        first.add({"id": "book", "text": "Short by now.", "lang": "en"}, long_texts="chunk")
    again = move(source, target, "long")
    assert again.comparison.same
    assert (again.read, again.comparison.target.chunks) == (2, 0)
    source.close()


def test_parts_are_moved_and_made_again_by_another_embedder(tmp_path) -> None:
    def at(name: str) -> dict:
        return {"stores": {"at": {"kind": "faiss", "path": str(tmp_path / name)}}, "store": "at"}

    with Collection.open("long", settings=at("a")) as first:
        first.add(documents(), long_texts="chunk")
        rows = first.stored.count()
        chunks = first.info().chunks
    source = load_store({"kind": "faiss", "path": str(tmp_path / "a")})
    target = load_store({"kind": "faiss", "path": str(tmp_path / "b")})
    seen: list[int] = []
    move(source, target, "long", on_progress=lambda *_: seen.append(documents_of(target)))
    assert rows == chunks + 2
    assert set(seen) == {2}  # no chunk was ever taken for a document
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


def documents_of(store: Store) -> int:
    with closing(store.open("long")) as stored:
        return len(Collection(stored))


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
