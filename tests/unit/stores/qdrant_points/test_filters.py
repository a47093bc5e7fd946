"""Filters become Qdrant's, exactly or with what is left to check; no server is asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant_points.filters import Translation, field_key, translate
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import to_document, to_payload

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import EVERYTHING, NOTHING, F, Filter, matches
from xlingual_qdrant.schema import FieldType
from xlingual_qdrant.testing import strategies
from xlingual_qdrant.testing.corpus import FIELDS, FILTERS, random_documents

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def asked(where: Filter, fields: Mapping[str, FieldType] | None = None, **options: bool) -> Any:
    """Return the condition as JSON gives it to the server, without what is not set."""
    condition = translate(where, fields or {}, **options).condition
    if isinstance(condition, bool):
        return condition
    return condition.model_dump(mode="json", exclude_none=True, by_alias=True)


def ranged(key: str, **limits: object) -> dict[str, object]:
    return {"key": key, "range": limits}


def equal(key: str, value: object) -> dict[str, object]:
    return {"key": key, "match": {"value": value}}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (F("brand") == "acme", equal("metadata.brand", "acme")),
        (F("lang") == "zh", {"key": "_xlingual.langs", "match": {"any": ["zh"]}}),
        (F("id") == "a", {"has_id": [document_point("a")]}),
        (F("year") == 1999, ranged("metadata.year", gte=1999.0, lte=1999.0)),
        (F("year") > 2.5, ranged("metadata.year", gt=2.5)),
        (F("flag") == True, equal("metadata.flag", True)),  # noqa: E712
        (F("flag") != True, equal("metadata.flag", False)),  # noqa: E712
        (F("a b").is_missing(), {"is_empty": {"key": 'metadata."a b"'}}),
        (F("a") != 1, {"should": [ranged("metadata.a", lt=1.0), ranged("metadata.a", gt=1.0)]}),
        (F("t") < NEW_YEAR, ranged("_xlingual.moments.t", lt="2026-01-01T00:00:00Z")),
        (
            F("tags").contains("x"),
            {"must": [equal("metadata.tags", "x"), equal("_xlingual.lists", "tags")]},
        ),
        (~(F("a") == "x"), {"must_not": [equal("metadata.a", "x")]}),
        (EVERYTHING, True),
        (NOTHING, False),
        (F("a").is_in([]), False),
        (~F("a").is_in([]), True),
        (F("lang").is_in([]), False),
        (F("id").is_in([]), False),
        ((F("a") == "x") | EVERYTHING, True),
        ((F("a") == "x") & NOTHING, False),
        (
            F("a").is_in(["x", "y"]),
            {"should": [{"key": "metadata.a", "match": {"any": ["x", "y"]}}]},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_filter_is_translated_exactly(where: Filter, expected: object) -> None:
    assert asked(where) == expected
    assert translate(where, {}).exact


def test_integers_of_a_declared_field_are_not_compared_with_fractions() -> None:
    fields: dict[str, FieldType] = {"n": "integer"}
    assert asked(F("n") == 3, fields) == equal("metadata.n", 3)
    assert asked(F("n") == 2.5, fields) is False
    assert asked(F("n") > 2.5, fields) == ranged("metadata.n", gte=3.0)
    assert asked(F("n") <= -2.5, fields) == ranged("metadata.n", lte=-3.0)


@pytest.mark.parametrize(
    "where",
    [
        F("a") != "x",
        F("n") == 2**53,
        F("n") > 2**60,
        F("n") < 10**400,
        F('say "x"') == 1,
        F("back\\slash") == "x",
        F("") == 1,
        ~(F("a") != "x"),
        (F("a") != "x") & (F("b") == 1),
    ],
    ids=str,
)
def test_what_qdrant_cannot_decide_is_said_to_be_inexact(where: Filter) -> None:
    assert not translate(where, {}).exact


def test_an_exact_part_narrows_an_inexact_filter() -> None:
    narrowed = asked((F("lang") == "de") & (F('"') == 1))
    assert narrowed == {"must": [{"key": "_xlingual.langs", "match": {"any": ["de"]}}]}
    assert translate(F("brand") != "x", {"brand": "keyword"}).exact


def test_in_strict_mode_only_what_is_indexed_is_asked_for() -> None:
    assert asked((F("year") > 2000) & (F("price") > 1), FIELDS, indexed_only=True) == {
        "must": [ranged("metadata.year", gt=2000.0)]
    }
    for where in (F("price") == 1, F("brand") == 1, F("note").is_missing()):
        assert asked(where, FIELDS, indexed_only=True) is True
        assert not translate(where, FIELDS, indexed_only=True).exact


def test_a_field_is_named_so_that_it_is_one_key() -> None:
    assert field_key("a-b_1") == "metadata.a-b_1"
    assert field_key("a.b") == 'metadata."a.b"'
    assert field_key("a[0]") == 'metadata."a[0]"'
    assert field_key("日本") == 'metadata."日本"'
    assert [field_key(name) for name in ("", '"', "\\")] == [None, None, None]


def test_points_of_others_are_left_out() -> None:
    document = {"key": "_xlingual.kind", "match": {"value": "document"}}
    made = translate(None, {}).of_documents().model_dump(exclude_none=True)
    assert made == {"must": [document]}
    with pytest.raises(ValueError, match="nothing"):
        Translation(condition=False, exact=True).of_documents()


def holds(client: QdrantClient, documents: list[Document], where: Filter | None,
          fields: Mapping[str, FieldType], *, indexed_only: bool = False) -> None:  # fmt: skip
    """Check that Qdrant's answer is ours where it is exact, and holds ours where it is not."""
    made = translate(where, fields, indexed_only=indexed_only)
    wanted = {doc.id for doc in documents if where is None or matches(where, doc)}
    found: set[str] = set()
    if made.condition is not False:
        records, _ = client.scroll("c", made.of_documents(), limit=10_000)
        found = {doc.id for doc in (to_document(record.payload) for record in records) if doc}
    assert found >= wanted
    assert not made.exact or found == wanted


def filled(documents: list[Document]) -> QdrantClient:
    client = QdrantClient(":memory:")
    vectors = models.VectorParams(size=1, distance=models.Distance.COSINE)
    client.create_collection("c", vectors_config=vectors)
    decoy = models.PointStruct(id=1, vector=[1.0], payload={"metadata": {"year": 2000}})
    points = [
        models.PointStruct(id=document_point(doc.id), vector=[1.0], payload=to_payload(doc))
        for doc in documents
    ]
    client.upsert("c", [decoy, *points])
    return client


def test_all_kinds_of_filters_mean_the_same_in_qdrant() -> None:
    documents = random_documents(200, seed=9)
    client = filled(documents)
    for where in FILTERS.values():
        for indexed_only in (False, True):
            holds(client, documents, where, FIELDS, indexed_only=indexed_only)


@given(strategies.corpora, st.lists(strategies.filters, min_size=1, max_size=5))
def test_any_filter_means_the_same_in_qdrant(corpus: list[Document], filters: list[Filter]) -> None:
    documents = list({document.id: document for document in corpus}.values())
    client = filled(documents)
    for where in filters:
        holds(client, documents, where, {})
