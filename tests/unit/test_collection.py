"""The facade: what goes in comes out, in any language, and faults are told."""

from __future__ import annotations

import shutil
from collections import UserDict
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant import Collection, Document, F, Filter, WriteReport, load_embedder
from xlingual_qdrant.errors import (
    CollectionMissing,
    DocumentExists,
    EmbedderMismatch,
    InvalidDocument,
    InvalidInput,
    InvalidVectors,
    SchemaMismatch,
    StoreUnavailable,
    UnknownLanguage,
    UsageError,
)
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Embedder, StoredCollection, Vectors
from xlingual_qdrant.schema import EmbedderFingerprint

TICKETS = [
    {"id": "fr", "text": "Mon colis n'est pas arrivé", "lang": "fr", "metadata": {"priority": 2}},
    {
        "id": "de",
        "text": "Mein Paket ist nicht angekommen",
        "lang": "de",
        "metadata": {"priority": 1},
    },
    {"id": "es", "text": "Quiero cambiar mi contraseña", "lang": "es", "metadata": {"priority": 3}},
]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("bundled")


@pytest.fixture
def tickets(embedder: Embedder) -> Iterator[Collection]:
    with Collection.open("tickets", store=MemoryStore(), embedder=embedder) as collection:
        collection.add(TICKETS)
        yield collection


@pytest.fixture
def plain() -> Iterator[Collection]:
    with Collection.open("plain", store=MemoryStore(), schema={"dimension": 3}) as collection:
        yield collection


class Counting:
    """An embedder that counts what it is asked for, and passes it on."""

    def __init__(self, inner: Embedder) -> None:
        self.inner, self.asked = inner, 0

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        return self.inner.fingerprint

    @property
    def dimension(self) -> int:
        return self.inner.dimension

    @property
    def max_tokens(self) -> int | None:
        return self.inner.max_tokens

    def embed_documents(self, texts: list[str]) -> Vectors:
        self.asked += len(texts)
        return self.inner.embed_documents(texts)

    def embed_queries(self, texts: list[str]) -> Vectors:
        return self.inner.embed_queries(texts)

    def truncated(self, texts: list[str]) -> NDArray[np.bool_]:
        return self.inner.truncated(texts)


def test_a_question_finds_its_answer_in_another_language(tickets: Collection) -> None:
    assert {hit.id for hit in tickets.search("my parcel has not arrived", k=2)} == {"fr", "de"}


def test_filters_apply_before_the_nearest_are_chosen(tickets: Collection) -> None:
    question = "my parcel has not arrived"
    assert [hit.id for hit in tickets.search(question, k=1, langs=["!fr", "!de"])] == ["es"]
    assert [hit.id for hit in tickets.search(question, k=1, where=F("priority") == 3)] == ["es"]
    assert [hit.id for hit in tickets.search(question, k=1, where="priority = 3")] == ["es"]
    assert tickets.search(question, langs="sw") == []


def test_many_questions_get_the_answers_of_each(tickets: Collection) -> None:
    questions = ["my parcel has not arrived", "change my password"]
    many = tickets.search_many(questions, k=2)
    assert [[hit.id for hit in hits] for hits in many] == [
        [hit.id for hit in tickets.search(question, k=2)] for question in questions
    ]
    assert tickets.search_many([]) == []


def test_min_score_cuts(tickets: Collection) -> None:
    scores = [hit.score for hit in tickets.search("parcel", k=3)]
    assert scores == sorted(scores, reverse=True)
    assert len(tickets.search("parcel", k=3, min_score=scores[1])) == 2


def test_what_is_unchanged_is_neither_embedded_nor_written(embedder: Embedder) -> None:
    counting = Counting(embedder)
    with Collection.open("t", store=MemoryStore(), embedder=counting) as tickets:
        assert tickets.add(TICKETS) == WriteReport(read=3, added=3)
        assert tickets.add(TICKETS) == WriteReport(read=3, unchanged=3)
        assert counting.asked == 3
        changed = {**TICKETS[0], "metadata": {"priority": 9}}
        assert tickets.add([changed, TICKETS[1]]) == WriteReport(read=2, updated=1, unchanged=1)
        assert counting.asked == 4


def test_of_an_id_that_comes_twice_the_last_wins_and_each_counts(tickets: Collection) -> None:
    rows = [{"id": "x", "text": text} for text in ("one", "two", "two")]
    assert tickets.add(rows) == WriteReport(read=3, added=1, updated=1, unchanged=1)
    assert tickets.get("x") is not None
    assert tickets.get("x").text == "two"  # pyright: ignore[reportOptionalMemberAccess]


def test_if_exists_skips_or_refuses(tickets: Collection) -> None:
    row = {"id": "fr", "text": "autre chose", "lang": "fr"}
    assert tickets.add(row, if_exists="skip") == WriteReport(read=1, unchanged=1)
    with pytest.raises(DocumentExists, match="'fr'"):
        tickets.add(row, if_exists="error")
    assert tickets.get("fr").text == TICKETS[0]["text"]  # pyright: ignore[reportOptionalMemberAccess]
    with pytest.raises(UsageError, match="if_exists"):
        tickets.add(row, if_exists="upsert")  # pyright: ignore[reportArgumentType]


def test_anything_with_a_text_can_be_added(tickets: Collection) -> None:
    tickets.add("The printer is out of paper again")
    tickets.add(Document("Der Drucker hat kein Papier", lang="de"))
    tickets.add(iter(["Il n'y a plus de papier"]))
    assert tickets.count() == 6


def test_a_text_without_a_language_gets_a_detected_one(tickets: Collection) -> None:
    text = "Wo finde ich die Rechnung für meine letzte Bestellung?"
    tickets.add({"id": "found", "text": text})
    found = tickets.get("found")
    assert found is not None
    assert (found.lang, found.lang_source) == ("de", "detected")
    assert 0 < (found.lang_confidence or 0) <= 1
    assert tickets.add({"id": "found", "text": text}).unchanged == 1


def test_batches_of_one_end_as_one_batch(embedder: Embedder) -> None:
    with Collection.open("t", store=MemoryStore(), embedder=embedder) as tickets:
        assert tickets.add(TICKETS, batch_size=1) == WriteReport(read=3, added=3)
        assert [document.id for document in tickets.documents()] == ["de", "es", "fr"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "  "}, "empty"),
        ({"text": None}, "empty"),
        ({"text": 3}, "type"),
        ({"text": "x" * 1_000_001}, "too-long"),
        ({"text": "\ud800"}, "surrogate"),
        ({"body": "x"}, "field"),
        ({"text": "x", "lang": "english"}, "language"),
        ({"text": "x", "id": 1.5}, "type"),
        ({"text": "x", "metadata": {"n": float("nan")}}, "type"),
        ({"text": "x", "metadata": {"n": 2**63}}, "type"),
        (b"bytes", "type"),
    ],
)
def test_a_bad_document_is_named_by_its_position(
    tickets: Collection, row: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidDocument, match=f"document 1: .*{reason}") as caught:
        tickets.add(["good", row])
    assert (caught.value.reason, caught.value.position) == (reason, 1)
    assert tickets.count() == 3


def test_declared_fields_hold_values_of_their_type(embedder: Embedder) -> None:
    schema = {"fields": {"priority": "integer", "due": "datetime"}}
    with Collection.open("t", store=MemoryStore(), embedder=embedder, schema=schema) as tickets:
        tickets.add({"text": "fine", "metadata": {"priority": 1, "due": "2026-01-31"}})
        with pytest.raises(InvalidDocument, match="'priority' is declared integer"):
            tickets.add({"text": "not", "metadata": {"priority": "high"}})


def test_ready_vectors_need_no_embedder(plain: Collection) -> None:
    plain.add(["a", "b"], vectors=np.array([[2.0, 0, 0], [0, 3, 0]]))
    [hit] = plain.search([1.0, 0.1, 0], k=1)
    assert (hit.text, round(hit.score, 3)) == ("a", 0.995)
    [[first], [second]] = plain.search_many(np.eye(3)[:2], k=1)
    assert (first.text, second.text) == ("a", "b")
    with pytest.raises(UsageError, match="without an embedder"):
        plain.search("a")
    with pytest.raises(UsageError, match="a vector for each document"):
        plain.add("c")


def test_a_new_vector_for_an_unchanged_text_is_an_update(plain: Collection) -> None:
    plain.add("a", vectors=[[1, 0, 0]])
    assert plain.add("a", vectors=[[1, 0, 0]]).unchanged == 1
    assert plain.add("a", vectors=[[0, 1, 0]]).updated == 1
    assert plain.search([0, 1, 0])[0].score == pytest.approx(1)


@pytest.mark.parametrize(
    "vectors",
    [[[1, 0]], [[0, 0, 0]], [[float("nan"), 0, 0]], [], [[1, 0, 0], [0, 1, 0]], [["x", "y", "z"]]],
)
def test_bad_vectors_are_refused(plain: Collection, vectors: list[list[float]]) -> None:
    with pytest.raises(InvalidVectors):
        plain.add("a", vectors=vectors)
    with pytest.raises(InvalidVectors):
        plain.search_many([[1, 0]])


@pytest.mark.parametrize("query", ["", " \n", "\u200b", "half \ud83d"])
def test_a_query_without_content_is_refused(tickets: Collection, query: str) -> None:
    with pytest.raises(InvalidInput, match="the query"):
        tickets.search(query)


@pytest.mark.parametrize("k", [0, -1, True, 2.5])
def test_k_is_a_whole_number(tickets: Collection, k: int) -> None:
    with pytest.raises(UsageError, match="k must be"):
        tickets.search("x", k=k)


def test_one_text_is_not_many(tickets: Collection) -> None:
    with pytest.raises(UsageError, match="use search"):
        tickets.search_many("abc")


def test_an_unknown_language_in_a_filter_is_refused(tickets: Collection) -> None:
    with pytest.raises(UnknownLanguage):
        tickets.search("x", langs=["english"])


def test_reading_and_deleting(tickets: Collection) -> None:
    assert [d and d.id for d in tickets.get_many(["es", "none", "fr"])] == ["es", None, "fr"]
    assert tickets.languages() == {"de": 1, "es": 1, "fr": 1}
    assert tickets.count(langs="fr") == 1
    assert [d.id for d in tickets.documents(where="priority >= 2")] == ["es", "fr"]
    pairs = list(tickets.documents(with_vectors=True))
    assert [document.id for document, _ in pairs] == ["de", "es", "fr"]
    assert pairs[0][1].shape == (tickets.schema.dimension,)
    assert tickets.delete("fr") == 1
    assert tickets.delete(["fr", "none"]) == 0
    assert tickets.delete(langs="de", where=F("priority") == 1) == 1
    assert tickets.count() == 1
    with pytest.raises(UsageError, match="drop"):
        tickets.delete()
    with pytest.raises(UsageError, match="not both"):
        tickets.delete("es", langs="es")


def test_a_swapped_embedder_is_refused(embedder: Embedder) -> None:
    class Other(Counting):
        @property
        def fingerprint(self) -> EmbedderFingerprint:
            probes = [[-x for x in row] for row in self.inner.fingerprint.probes]
            return self.inner.fingerprint.model_copy(update={"model": "other", "probes": probes})

    store = MemoryStore()
    Collection.open("t", store=store, embedder=embedder).close()
    with pytest.raises(EmbedderMismatch, match=r"cosines -1\.000.*xlingual reembed"):
        Collection.open("t", store=store, embedder=Other(embedder))
    Collection.open("t", store=store, embedder=embedder)


def test_another_schema_is_refused(plain: Collection) -> None:
    store = MemoryStore()
    Collection.open("p", store=store, schema={"dimension": 3}).close()
    with pytest.raises(SchemaMismatch, match="3 dimensions, not 4"):
        Collection.open("p", store=store, schema={"dimension": 4})
    with pytest.raises(SchemaMismatch, match="fields"):
        Collection.open("p", store=store, schema={"dimension": 3, "fields": {"a": "integer"}})


def test_a_missing_collection_is_created_only_if_wanted() -> None:
    store = MemoryStore()
    with pytest.raises(CollectionMissing, match="Ingesting into it creates it"):
        Collection.open("p", store=store, create=False)
    assert store.list() == []


def test_drop_removes_the_collection(embedder: Embedder) -> None:
    store = MemoryStore()
    collection = Collection.open("p", store=store, embedder=embedder)
    collection.drop()
    assert store.list() == []


def test_info_tells_the_facts(tickets: Collection) -> None:
    info = tickets.info().to_json()
    assert (info["count"], info["name"]) == (3, "tickets")
    assert info["languages"] == {"de": 1, "es": 1, "fr": 1}
    assert str(info["embedder"]).startswith("static:")


def test_settings_decide_where_everything_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "xlingual.toml"
    file.write_text('collection = "mine"\n[fields]\npriority = "integer"\n')
    with Collection.open(settings=file) as tickets:
        tickets.add(TICKETS)
        assert tickets.name == "mine"
        assert tickets.schema.fields == {"priority": "integer"}
    with Collection.open(settings=file, create=False) as tickets:
        assert tickets.count() == 3
        assert tickets.info().store == "local"


@pytest.mark.parametrize("where", [{"a": 1}, 3, F("a"), ["a"]])
def test_what_is_no_filter_is_refused_in_words(tickets: Collection, where: object) -> None:
    with pytest.raises(UsageError, match="a filter is a comparison"):
        tickets.search("x", where=where)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("query", [None, 3, [[1, 0, 0]]])
def test_what_is_no_query_is_refused_in_words(plain: Collection, query: object) -> None:
    with pytest.raises(UsageError, match="a text, or a vector of 3 numbers"):
        plain.search(query)  # pyright: ignore[reportArgumentType]


def test_what_are_no_ids_or_documents_is_refused_in_words(tickets: Collection) -> None:
    with pytest.raises(UsageError, match="an id is a string, not None"):
        tickets.get(None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="an id is a string, not 3"):
        tickets.delete([3])  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="documents are"):
        tickets.add(None)  # pyright: ignore[reportArgumentType]


def test_a_copied_folder_is_a_collection_of_its_own(tmp_path: Path) -> None:
    settings = {"stores": {"local": {"path": str(tmp_path)}}}
    with Collection.open("first", settings=settings) as first:
        first.add(TICKETS)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    second = Collection.open("second", settings=settings, create=False)
    assert second.name == "second"
    second.drop()
    with Collection.open("first", settings=settings, create=False) as first:
        assert first.count() == 3
    assert not (tmp_path / "second").exists()


class Level(IntEnum):
    HIGH = 3


class Topic(StrEnum):
    PARCEL = "parcel"


class Moment(datetime):
    """As pandas.Timestamp is, a subclass of datetime."""


@pytest.mark.parametrize(
    "where",
    [
        F("n") == Level.HIGH,
        F("n") >= np.int64(3),
        F("n") == np.float32(3),
        F("topic") == Topic.PARCEL,
        F("when") <= Moment(2026, 1, 31, tzinfo=UTC),
        F("urgent") == np.bool_(True),
    ],
    ids=str,
)
def test_values_of_subclasses_compare_as_what_they_are(
    tmp_path: Path, embedder: Embedder, where: Filter
) -> None:
    metadata = {"n": 3, "topic": "parcel", "when": "2026-01-30", "urgent": True}
    fields = {"n": "integer", "topic": "keyword", "when": "datetime", "urgent": "bool"}
    settings = {"stores": {"local": {"path": str(tmp_path)}}}
    for name, schema in (("declared", {"fields": fields}), ("undeclared", {})):
        opened = Collection.open(name, settings=settings, embedder=embedder, schema=schema)
        with opened as collection:
            collection.add({"text": "a parcel", "metadata": metadata})
            assert collection.count(where=where) == 1


def test_a_tag_makes_the_same_id_however_it_is_spelt(tickets: Collection) -> None:
    for tag in ("pt-BR", "pt_br", "PT-br"):
        tickets.add({"text": "Bom dia a todos", "lang": tag})
        tickets.add(Document("Bom dia a todos", lang=tag))
    assert tickets.count(langs="pt") == 1


def test_an_id_that_comes_twice_is_an_error_where_any_taken_id_is(tickets: Collection) -> None:
    rows = [{"id": "z", "text": "one"}, {"id": "z", "text": "two"}]
    with pytest.raises(DocumentExists, match="'z'"):
        tickets.add(rows, if_exists="error")
    assert tickets.get("z") is None


def test_metadata_is_kept_as_plain_json_and_is_a_copy(tickets: Collection) -> None:
    inner = UserDict(a=(1, np.int64(2)), b=np.bool_(True))
    given = {"deep": inner, "price": np.float64(1.5)}
    tickets.add({"id": "m", "text": "text", "metadata": MappingProxyType(given)})
    inner["a"] = "changed"
    kept = tickets.get("m")
    assert kept is not None
    assert kept.metadata == {"deep": {"a": [1, 2], "b": True}, "price": 1.5}


def test_a_failing_flush_still_gives_everything_back(tmp_path: Path, embedder: Embedder) -> None:
    class Full:
        def __init__(self, stored: StoredCollection) -> None:
            self.stored = stored

        def __getattr__(self, name: str) -> object:
            return getattr(self.stored, name)

        def flush(self) -> None:
            raise StoreUnavailable("here", "the disk is full")

    settings = {"stores": {"local": {"path": str(tmp_path)}}}
    opened = Collection.open("t", settings=settings, embedder=embedder)
    opened.add(TICKETS)
    opened.stored = Full(opened.stored)  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(StoreUnavailable, match="full"):
        opened.close()
    with Collection.open("t", settings=settings, embedder=embedder) as again:
        again.add("one more text")


def test_an_empty_list_of_languages_is_not_all_languages(tickets: Collection) -> None:
    with pytest.raises(UsageError, match="langs is empty"):
        tickets.search("parcel", langs=[])
    with pytest.raises(UnknownLanguage):
        tickets.search("parcel", langs=[None])  # pyright: ignore[reportArgumentType]


def test_a_misspelt_schema_and_a_table_are_refused(tickets: Collection) -> None:
    with pytest.raises(UsageError, match="Did you mean 'fields'"):
        Collection.open("x", store=MemoryStore(), schema={"feilds": {}})

    class Table:
        columns = ("text", "lang")

        def __iter__(self) -> Iterator[str]:
            return iter(self.columns)

    with pytest.raises(UsageError, match="to_dict"):
        tickets.add(Table())


def test_vectors_of_any_magnitude_have_a_direction(plain: Collection) -> None:
    plain.add(["huge", "tiny"], vectors=[[1e30, 0, 0], [0, 1e-30, 0]])
    assert plain.search([1, 0, 0], k=1)[0].score == pytest.approx(1)
    assert plain.search([0, 1e-30, 0], k=1)[0].text == "tiny"


def test_an_empty_collection_is_true_and_a_wrong_min_score_is_told(plain: Collection) -> None:
    assert plain
    for wrong in ("0.5", float("nan")):
        with pytest.raises(UsageError, match="min_score"):
            plain.search([1, 0, 0], min_score=wrong)  # pyright: ignore[reportArgumentType]


def test_a_filter_that_can_match_nothing_is_explained(tickets: Collection) -> None:
    tickets.add({"text": "from a table", "metadata": {"price": "5"}})
    assert tickets.why_nothing("prize < 10") == ["no document has a field 'prize'"]
    [hint] = tickets.why_nothing("price < 10 and priority >= 1")
    assert hint.startswith("'price' holds values such as '5'")
    assert tickets.why_nothing("priority = 77") == []


def test_each_language_gets_its_share_the_nearest_language_first(plain: Collection) -> None:
    rows = [
        ("en", 1.0), ("en", 0.9), ("en", 0.8), ("de", 0.5), ("de", 0.4), ("de-AT", 0.7), ("sw", 0.1)
    ]  # fmt: skip
    plain.add(
        [{"id": str(n), "text": f"text {n}", "lang": lang} for n, (lang, _) in enumerate(rows)],
        vectors=[[score, (1 - score**2) ** 0.5, 0] for _, score in rows],
    )

    def ids(**options: object) -> dict[str, list[str]]:
        found = plain.search_by_language([1, 0, 0], **options)  # pyright: ignore[reportArgumentType]
        return {tag: [hit.id for hit in hits] for tag, hits in found.items()}

    assert list(ids().items()) == [
        ("en", ["0", "1", "2"]),
        ("de-AT", ["5"]),
        ("de", ["3", "4"]),
        ("sw", ["6"]),
    ]
    assert ids(k=1) == {"en": ["0"], "de-AT": ["5"], "de": ["3"], "sw": ["6"]}
    assert ids(langs="de") == {"de-AT": ["5"], "de": ["3", "4"]}
    assert ids(where="id in (2, 4)", exact=True) == {"en": ["2"], "de": ["4"]}
    assert ids(min_score=0.45) == {"en": ["0", "1", "2"], "de-AT": ["5"], "de": ["3"]}
    assert ids(langs="ja") == {}
    for wrong in ({"k": 0}, {"min_score": "high"}, {"where": 3}):
        with pytest.raises(UsageError):
            ids(**wrong)
    with pytest.raises(UsageError, match="a text, or a vector of 3 numbers"):
        plain.search_by_language([[1, 0, 0]])


def test_a_text_finds_the_nearest_of_each_language(tickets: Collection) -> None:
    found = tickets.search_by_language("my parcel has not arrived", k=1)
    assert list(found)[-1] == "es"
    assert {tag: [hit.id for hit in hits] for tag, hits in found.items()} == {
        "fr": ["fr"],
        "de": ["de"],
        "es": ["es"],
    }
    with pytest.raises(InvalidInput, match="the query"):
        tickets.search_by_language(" ")
