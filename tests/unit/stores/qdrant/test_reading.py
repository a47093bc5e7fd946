"""Scans are read in pages that fit, and each language is found, whatever the server groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.reading import Reader
from xlingual_adapters.stores.qdrant.searching import Question, Searcher, search_params
from xlingual_adapters.stores.qdrant_points.filters import translate

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.corpus import random_vectors

AXES = np.eye(4, dtype=np.float32)


@pytest.fixture
def store() -> Iterator[QdrantStore]:
    store = QdrantStore(QdrantSettings(location=":memory:"))
    yield store
    store.close()


class Counting:
    """A connection that is taken for one to a server, and weighs the pages of scans."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.settings, self.where = connection.settings, connection.where
        self.consistency = connection.consistency
        self.is_local = False
        self.pages: list[int] = []

    def ask(self, request: Callable[[QdrantClient], Any], *, patient: bool = True) -> Any:
        records, offset = self._connection.ask(request, patient=patient)
        self.pages.append(sum(len(record.model_dump_json()) for record in records))
        return records, offset

    def ask_once(self, request: Callable[[QdrantClient], Any]) -> Any:
        return self._connection.ask_once(request)


@pytest.mark.parametrize("dimension", [4, 1000])
def test_a_scan_has_pages_of_some_megabytes(store: QdrantStore, dimension: int) -> None:
    schema = CollectionSchema(name="long", dimension=dimension)
    collection = store.create(schema)
    texts = ["x" * (10 if number < 300 else 100_000) for number in range(500)]
    documents = [Document(text, id=str(number)) for number, text in enumerate(texts)]
    collection.write(documents, random_vectors(500, dimension))
    asked = translate(None, {})
    connection = Counting(store._connection)
    found = list(
        Reader(connection, "long@1").scan(None, asked, after=None, with_vectors=True, at_once=1000)
    )
    assert sorted(each.document.id for each in found) == sorted(doc.id for doc in documents)
    assert len(connection.pages) > 1
    assert max(connection.pages[1:]) < 16 << 20
    batches = list(collection.scan(batch=77, with_vectors=True))
    assert [len(batch.documents) for batch in batches] == [77] * 6 + [38]
    assert [doc.id for batch in batches for doc in batch.documents] == [
        each.document.id for each in found
    ]


def test_languages_that_the_server_does_not_group_are_looked_for(store: QdrantStore) -> None:
    collection = store.create(CollectionSchema(name="c", dimension=4))
    documents = [
        Document("a", id=f"{lang}{n}", lang=lang, metadata={"note": n, "word": "y"})
        for lang in ("de", "de-AT", "fr")
        for n in range(4)
    ]
    collection.write(documents, random_vectors(12, 4))
    store._connection.ask(lambda client: client).upsert(
        "c",
        [
            models.PointStruct(
                id=1, vector=[1.0, 0, 0, 0], payload={"_xlingual": {"kind": "odd", "lang": "de"}}
            )
        ],
    )
    for k in (1, 3, 5, 5000):
        for where in (None, F("word") != "x", F("note") >= 2, F("lang") == "de"):
            [groups] = collection.search_by_language(AXES[:1], k, where=where)
            tags = {"de", "de-AT"} if where == (F("lang") == "de") else {"de", "de-AT", "fr"}
            assert groups.keys() == tags
            for tag, hits in groups.items():
                assert {hit.lang for hit in hits} == {tag}
                assert len(hits) == min(k, 2 if where == (F("note") >= 2) else 4)
    assert collection.search_by_language(AXES[:1], 3, where=F("lang") == "ja") == [{}]


class Forgetful(Counting):
    """A connection to a server that groups like a real one in a hurry: not to the end."""

    def ask(self, request: Callable[[QdrantClient], Any], *, patient: bool = True) -> Any:
        answer = self._connection.ask(request, patient=patient)
        if isinstance(answer, models.GroupsResult):
            first, *others = answer.groups[:-1]
            cut = [group.model_copy(update={"hits": group.hits[:1]}) for group in others]
            return models.GroupsResult(groups=[first, *cut])
        return answer


def test_groups_that_are_not_whole_are_filled(store: QdrantStore) -> None:
    collection = store.create(CollectionSchema(name="c", dimension=4))
    documents = [
        Document("a", id=f"{lang}{n}", lang=lang)
        for lang in ("de", "fr", "ja", "sw")
        for n in "xyz"
    ]
    collection.write(documents, random_vectors(12, 4))
    queries = random_vectors(5, 4, seed=1)
    question = Question(2, None, translate(None, {}), exact=True)
    searcher = Searcher(Forgetful(store._connection), "c@1", quantised=False)
    found = searcher.nearest_by_language(queries, question, collection.count_by_language())
    assert found == collection.search_by_language(queries, 2, exact=True)
    assert [{lang: len(hits) for lang, hits in groups.items()} for groups in found] == [
        {"de": 2, "fr": 2, "ja": 2, "sw": 2}
    ] * 5


def test_a_scan_from_behind_a_point_that_is_gone_goes_on_with_the_next(
    store: QdrantStore,
) -> None:
    collection = store.create(CollectionSchema(name="c", dimension=4))
    collection.write([Document("a", id=str(n)) for n in range(300)], random_vectors(300, 4))
    connection = Counting(store._connection)

    def ids(after: str | None) -> list[str]:
        found = Reader(connection, "c@1").scan(
            None, translate(None, {}), after=after, with_vectors=False, at_once=10
        )
        return [each.document.id for each in found]

    order = ids(None)
    assert len(order) == 300
    for position in (0, 99, 100, 298, 299):
        assert ids(order[position]) == order[position + 1 :]
        collection.delete([order[position]])
        assert ids(order[position]) == order[position + 1 :]


def test_the_nearest_are_scored_anew_where_vectors_are_quantised() -> None:
    settings = QdrantSettings(url="http://localhost", oversampling=3.0, search_ef=99)
    found = search_params(settings, exact=False, quantised=True)
    assert found is not None
    assert found.quantization == models.QuantizationSearchParams(rescore=True, oversampling=3.0)
    assert (found.exact, found.hnsw_ef) == (False, 99)
    exact = search_params(settings, exact=True, quantised=True)
    assert exact is not None
    assert (exact.exact, exact.quantization) == (True, None)
