"""Collections that other programs made are read as if they were ours, and never changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from pydantic import ValidationError
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore, adopted_points
from xlingual_adapters.stores.qdrant.adopted import AdoptedCollection
from xlingual_adapters.stores.qdrant.adoption import Adoption, PayloadReader, parse_path, path_text

from xlingual_qdrant import Collection
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionMissing,
    CollectionReadOnly,
    InvalidVectors,
    NotSupported,
    StoreError,
)
from xlingual_qdrant.filters import F
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.transfer import move

AXES = np.eye(4, dtype=np.float32)
COSINE = models.VectorParams(size=4, distance=models.Distance.COSINE)
DOT = models.VectorParams(size=4, distance=models.Distance.DOT)
UUIDS = [str(UUID(int=number)) for number in range(1, 10)]

Opener = Callable[..., AdoptedCollection]


class Place:
    """A store with one adopted collection, `old`, and the vendor's client beside it."""

    def __init__(self, **adoption: Any) -> None:
        settings = {"location": ":memory:", "adopt": {"old": adoption}}
        self.store = QdrantStore(QdrantSettings.model_validate(settings))
        self.client: QdrantClient = self.store._connection.ask(lambda client: client)

    def fill(
        self, payloads: list[Any], *, vectors: Any = COSINE, ids: Any = None, rows: Any = None
    ) -> AdoptedCollection:
        """Make the collection as another program would, and open it."""
        self.client.create_collection("old", vectors)
        points = [
            models.PointStruct(
                id=at + 1 if ids is None else ids[at],
                vector=AXES[at % 4].tolist() if rows is None else rows[at],
                payload=payload,
            )
            for at, payload in enumerate(payloads)
        ]
        if points:
            self.client.upsert("old", points)
        collection = self.store.open("old")
        assert isinstance(collection, AdoptedCollection)
        return collection


@pytest.fixture
def place() -> Iterator[Callable[..., Place]]:
    places: list[Place] = []

    def make(**adoption: Any) -> Place:
        places.append(Place(**adoption))
        return places[-1]

    yield make
    for each in places:
        each.store.close()


def documents_of(collection: AdoptedCollection, **scan: Any) -> list[Document]:
    return [document for batch in collection.scan(**scan) for document in batch.documents]


LANGCHAIN = [
    {"page_content": "Hallo", "metadata": {"language": "de", "page": 1}},
    {"page_content": "Bonjour", "metadata": {"lang": "fr", "language": "de"}},
    {"page_content": "print()", "metadata": {"language": "python"}},
    {"page_content": "Hello", "metadata": {}},
]


def test_a_collection_of_langchain_is_read(place: Callable[..., Place]) -> None:
    # LangChain names its vector "".
    collection = place(layout="langchain").fill(LANGCHAIN, vectors={"": COSINE}, ids=UUIDS[:4])
    assert documents_of(collection) == [
        Document("Hallo", UUIDS[0], "de", {"language": "de", "page": 1}),
        Document("Bonjour", UUIDS[1], "fr", {"lang": "fr", "language": "de"}),
        Document("print()", UUIDS[2], "und", {"language": "python"}),
        Document("Hello", UUIDS[3]),
    ]
    assert collection.count_by_language() == {"de": 1, "fr": 1, "und": 2}
    assert collection.describe()["unknown_languages"] == {"python": 1}
    [hits] = collection.search(AXES[1:2], 2)
    assert (hits[0].text, hits[0].score) == ("Bonjour", pytest.approx(1))


def test_a_collection_of_haystack_is_read(place: Callable[..., Place]) -> None:
    payloads = [
        {"id": "a", "content": "Hallo", "blob": None, "meta": {"lang": "de"}, "score": None},
        {"id": "b", "content": "Bonjour", "blob": None, "meta": {}, "score": None},
        {"id": "c", "content": None, "blob": {}, "meta": {}, "score": None},
        {"id": "d", "content": "without a vector", "blob": None, "meta": {}, "score": None},
    ]
    vectors = {"text-dense": COSINE}
    rows = [{"text-dense": AXES[at].tolist()} for at in range(3)]
    collection = place(layout="haystack").fill(
        payloads, vectors=vectors, rows=[*rows, {}], ids=UUIDS[:4]
    )
    assert documents_of(collection, with_vectors=True) == [
        Document("Hallo", "a", "de", {"lang": "de"}),
        Document("Bonjour", "b"),
    ]
    assert collection.describe()["left_out"] == {"empty": 1, "no vector": 1}
    assert collection.count() == 2
    assert collection.fetch(["b", "c", "d", "x"]) == [Document("Bonjour", "b"), None, None, None]


def test_a_collection_of_llama_index_is_read(place: Callable[..., Place]) -> None:
    def payload(node: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {**fields, "_node_content": json.dumps(node), "_node_type": "T", "doc_id": "None"}

    collection = place(layout="llama-index").fill(
        [
            payload({"text": "Hallo", "metadata": {"lang": "de", "p": 1}}, lang="de", p=1),
            payload({"text_resource": {"text": "Bonjour"}, "metadata": {}}),
            {"_node_content": "{"},
        ],
        ids=UUIDS[:3],
    )
    assert documents_of(collection) == [
        Document("Hallo", UUIDS[0], "de", {"lang": "de", "p": 1}),
        Document("Bonjour", UUIDS[1]),
    ]
    assert collection.describe()["left_out"] == {"field": 1}


def test_a_collection_made_by_hand_is_read_by_its_paths(place: Callable[..., Place]) -> None:
    collection = place(
        text="body.plain", id="key", lang='about."iso.code"', vector="dense", collection="old"
    ).fill(
        [
            {"body": {"plain": "eins"}, "key": 12, "about": {"iso.code": "DE_at"}},
            {"body": {"plain": "two"}, "key": "12a", "about": {}, "n": [1, 2]},
            {"body": {"plain": "drei"}, "key": None},
            {"body": "plain", "key": "x"},
            {"body": {"plain": 4}, "key": "y"},
            {"body": {"plain": "5"}, "key": 1.5},
        ],
        vectors={"dense": COSINE, "other": DOT},
        rows=[{"dense": AXES[at % 4].tolist()} for at in range(6)],
        ids=[7, 8, *UUIDS[:4]],
    )
    first = {"body": {"plain": "eins"}, "about": {"iso.code": "DE_at"}}
    assert documents_of(collection) == [
        Document("drei", UUIDS[0], metadata={"body": {"plain": "drei"}}),
        Document("eins", "12", "de-AT", first),
        Document("two", "12a", metadata={"body": {"plain": "two"}, "about": {}, "n": [1, 2]}),
    ]
    assert [found and found.text for found in collection.fetch(["12a", "7", "12", UUIDS[0]])] == [
        "two", None, "eins", "drei",
    ]  # fmt: skip
    assert collection.describe()["left_out"] == {"empty": 1, "type": 2}
    [row, nothing] = collection.fetch_vectors(["12a", "x"])
    assert row is not None
    assert (row.tolist(), nothing) == ([0, 1, 0, 0], None)
    assert collection.content_hashes(["x"]) == [None]


def test_without_a_metadata_path_the_rest_of_the_payload_is_the_metadata(
    place: Callable[..., Place],
) -> None:
    payload = {"text": "eins", "iso": "de", "key": "a", "n": 1, "metadata": {"m": 2}}
    collection = place(text="text", id="key", lang="iso").fill([payload])
    assert documents_of(collection) == [Document("eins", "a", "de", {"n": 1, "metadata": {"m": 2}})]


def many(count: int) -> list[dict[str, Any]]:
    return [
        {"t": f"text {number}", "l": ("de", "fr")[number % 2], "n": number, "key": f"{number:03}"}
        for number in range(count)
    ]


def test_filters_are_applied_before_the_nearest_are_chosen(place: Callable[..., Place]) -> None:
    rows = np.random.default_rng(0).normal(size=(300, 4)).tolist()
    collection = place(text="t", lang="l", id="key").fill(many(300), rows=rows)
    judge = MemoryStore().create(collection.schema)
    for batch in collection.scan(with_vectors=True):
        assert batch.vectors is not None
        judge.write(batch.documents, batch.vectors)
    assert judge.count() == 300
    filters = [
        None,
        F("lang") == "de",
        F("n") >= 290,
        (F("n") == 3) | (F("id") == "007"),
        F("n") < 0,
    ]
    for where in filters:
        assert collection.count(where) == judge.count(where)
        assert collection.count_by_language(where) == judge.count_by_language(where)
        assert documents_of(collection, where=where) == documents_of(judge, where=where)  # type: ignore[arg-type]
        for k in (1, 12, 500):
            mine = collection.search(AXES, k, where=where, exact=True)
            others = judge.search(AXES, k, where=where)
            for one, other in zip(mine, others, strict=True):
                assert [hit.id for hit in one] == [hit.id for hit in other]
                scores = [hit.score for hit in other]
                assert [hit.score for hit in one] == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("window", [1, 7, 10, 100])
def test_a_scan_is_ordered_and_resumes_behind_any_id(
    window: int, place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopted_points, "SCAN_WINDOW", window)
    collection = place(text="t", id="key").fill(list(reversed(many(10))))
    ids = [f"{number:03}" for number in range(10)]
    assert [found.id for found in documents_of(collection, batch=3)] == ids
    for after in ("003", "0035"):
        assert [found.id for found in documents_of(collection, after=after)] == ids[4:]
    assert documents_of(collection, after="9") == []


def test_an_id_on_two_points_is_refused_and_not_lost(
    place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = [{"t": "one", "key": "a"}, {"t": "two", "key": "b"}, {"t": "three", "key": "b"}]
    collection = place(text="t", id="key").fill(payloads)
    for window in (1, 2, 100):
        monkeypatch.setattr(adopted_points, "SCAN_WINDOW", window)
        with pytest.raises(NotSupported, match="points 2 and 3 have the same id, 'b'; leave"):
            documents_of(collection)
    assert len(documents_of(place(text="t").fill(payloads))) == 3


def test_moving_gives_exactly_the_documents(place: Callable[..., Place]) -> None:
    source = place(text="t", lang="l", id="key")
    rows = np.random.default_rng(1).normal(size=(50, 4)).tolist()
    collection = source.fill([*many(50), {"no": "text"}], rows=[*rows, AXES[0].tolist()])
    target = MemoryStore()
    report = move(source.store, target, "old", to="new")
    assert (report.read, report.written, report.comparison.same) == (50, 50, True)
    assert documents_of(target.open("new")) == documents_of(collection)  # type: ignore[arg-type]
    assert source.client.count("old").count == 51


def test_a_facade_reads_it(place: Callable[..., Place]) -> None:
    here = place(layout="langchain")
    here.fill(LANGCHAIN)
    with Collection.open("old", store=here.store) as collection:
        assert collection.languages() == {"de": 1, "fr": 1, "und": 2}
        assert [hit.text for hit in collection.search(AXES[0].tolist(), k=1)] == ["Hallo"]
        with pytest.raises(CollectionReadOnly):
            collection.add(["new"], vectors=AXES[:1].tolist())


def test_nothing_of_it_can_be_changed(place: Callable[..., Place]) -> None:
    here = place(layout="langchain")
    collection = here.fill(LANGCHAIN)
    before = here.client.scroll("old", with_vectors=True)
    schema = CollectionSchema(name="old", dimension=4)
    calls: list[Callable[[], object]] = [
        lambda: collection.write([Document("x", "x")], AXES[:1]),
        lambda: collection.delete(["1"]),
        lambda: collection.delete_where(F("n") == 1),
        lambda: collection.write_state("k", b"v"),
        lambda: here.store.create(schema),
        lambda: here.store.drop("old"),
        lambda: here.store.begin_replacement(schema),
        lambda: here.store.finish_replacement("old"),
        lambda: here.store.discard_replacement("old"),
    ]
    for call in calls:
        with pytest.raises(CollectionReadOnly, match="xlingual move"):
            call()
    collection.compact()
    collection.flush()
    collection.close()
    assert (collection.states(), collection.read_state("k"), collection.damaged_ids()) == (
        [],
        None,
        [],
    )
    assert here.client.scroll("old", with_vectors=True) == before


def test_the_store_lists_it_when_it_is_there(place: Callable[..., Place]) -> None:
    here = place(layout="langchain")
    assert here.store.list() == []
    with pytest.raises(CollectionMissing):
        here.store.open("old")
    here.fill(LANGCHAIN)
    here.store.create(CollectionSchema(name="ours", dimension=4))
    here.client.create_collection("foreign", COSINE)
    assert here.store.list() == ["old", "ours"]


UNFIT: dict[str, tuple[dict[str, Any], Any, str]] = {
    "another distance": (
        {},
        models.VectorParams(size=4, distance=models.Distance.EUCLID),
        "Euclid",
    ),
    "several vectors": ({}, {"a": COSINE, "b": COSINE}, "there are: 'a', 'b'"),
    "no such vector": ({"vector": "c"}, {"a": COSINE}, "no vector 'c'"),
    "only sparse vectors": ({}, {}, "none but sparse ones"),
    "many vectors a point": (
        {},
        models.VectorParams(
            size=4,
            distance=models.Distance.COSINE,
            multivector_config=models.MultiVectorConfig(
                comparator=models.MultiVectorComparator.MAX_SIM
            ),
        ),
        "many vectors each",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_vectors_that_give_no_cosines_are_refused(name: str, place: Callable[..., Place]) -> None:
    adoption, vectors, words = UNFIT[name]
    with pytest.raises(NotSupported, match=words):
        place(text="t", **adoption).fill([], vectors=vectors)


def test_dot_products_are_taken_for_cosines_if_they_are(place: Callable[..., Place]) -> None:
    collection = place(text="t").fill(many(4), vectors=DOT)
    [hits] = collection.search(AXES[2:3], 1)
    assert (hits[0].text, hits[0].score) == ("text 2", 1)
    with pytest.raises(NotSupported, match="point 2 has the length 3"):
        place(text="t").fill(many(2), vectors=DOT, rows=[[1, 0, 0, 0], [0, 3, 0, 0]])


def test_a_vector_without_direction_is_named(place: Callable[..., Place]) -> None:
    collection = place(text="t").fill(many(2), rows=[[1, 0, 0, 0], [0, 0, 0, 0]])
    with pytest.raises(InvalidVectors, match="point 2 is zero"):
        documents_of(collection, with_vectors=True)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "say where the text is"),
        ({"layout": "chroma"}, "langchain"),
        ({"text": ""}, "no path"),
        ({"text": "a..b"}, "no path"),
        ({"text": "t", "id": 'a."b'}, "no path"),
        ({"text": "t", "txt": "u"}, "txt"),
    ],
    ids=str,
)
def test_settings_that_say_too_little_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Adoption.model_validate(values)


def test_paths_are_written_as_qdrant_reads_them() -> None:
    assert parse_path('metadata."a.b".größe') == ("metadata", "a.b", "größe")
    assert path_text(("metadata", "a.b", "größe")) == 'metadata."a.b"."größe"'


def test_a_layout_may_be_corrected() -> None:
    reader = PayloadReader(Adoption(layout="langchain", text="content", lang="metadata.iso"))
    payload = {"content": "x", "metadata": {"iso": "sv", "lang": "de"}}
    assert reader.read(5, payload).document == Document("x", "5", "sv", payload["metadata"])  # type: ignore[arg-type]


def test_a_collection_of_another_program_that_is_not_adopted_stays_unseen(
    place: Callable[..., Place],
) -> None:
    here = place(text="t")
    here.client.create_collection("foreign", COSINE)
    here.client.upsert("foreign", [models.PointStruct(id=1, vector=[1, 0, 0, 0], payload={})])
    with pytest.raises(StoreError):
        here.store.open("foreign")
