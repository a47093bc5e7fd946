"""The payload's layout is fixed, and brings every document back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from xlingual_adapters.stores.qdrant_points.ids import document_point, reserved_point
from xlingual_adapters.stores.qdrant_points.payload import matching_tags, to_document, to_payload

from xlingual_qdrant.documents import Document, JsonValue, content_hash, metadata_json
from xlingual_qdrant.testing import strategies


def test_the_layout_is_as_documented() -> None:
    document = Document(
        "text",
        id="B07YSTB5HX",
        lang="zh-Hant",
        metadata={"tags": ["a"], "created": "2026-01-31"},
        lang_source="detected",
        lang_confidence=0.93,
    )
    assert to_payload(document) == {
        "_xlingual": {
            "kind": "document",
            "id": "B07YSTB5HX",
            "text": "text",
            "lang": "zh-Hant",
            "langs": ["zh", "zh-Hant"],
            "lang_source": "detected",
            "lang_confidence": "0.93",
            "hash": content_hash(document).hex(),
            "lists": ["tags"],
            "moments": {"created": ["2026-01-31T00:00:00.000000+00:00"]},
        },
        "metadata": {"tags": ["a"], "created": "2026-01-31"},
    }


def test_what_is_not_needed_is_not_there() -> None:
    own = to_payload(Document("a", id="a"))["_xlingual"]
    assert set(own) == {"kind", "id", "text", "lang", "langs", "hash"}


@given(strategies.documents())
def test_every_document_comes_back_through_json(document: Document) -> None:
    found = to_document(json.loads(json.dumps(to_payload(document))))
    assert found is not None
    assert metadata_json(found.metadata) == metadata_json(document.metadata)
    assert found == document


@pytest.mark.parametrize(
    ("value", "is_kept_as_text"),
    [
        (0.1, False), (1.5, False), (0.0, False), (1e20, False), (123456789.125, False),
        (-0.0, True), (1e300, True), (5e-324, True), (0.1234567890123456, True),
        ([1, [0.5, {"a": 0.30000000000000004}]], True), (2**63 - 1, False), ("0.1" * 99, False),
    ],
)  # fmt: skip
def test_numbers_that_a_parser_may_round_are_kept_as_text_too(
    value: JsonValue, is_kept_as_text: bool
) -> None:
    payload = to_payload(Document("a", metadata={"v": value}))
    assert ("exact" in payload["_xlingual"]) == is_kept_as_text
    assert payload["metadata"] == {"v": value}


def test_deep_metadata_is_cut_on_the_server_and_whole_in_the_document() -> None:
    value: JsonValue = 1
    for _ in range(99):
        value = [value]
    document = Document("a", id="a", metadata={"deep": value, "x": 1})
    payload = to_payload(document)
    assert len(json.dumps(payload["metadata"])) < 100
    assert payload["metadata"]["x"] == 1
    assert to_document(payload) == document


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"metadata": {"a": 1}, "page_content": "of another program"},
        {"_xlingual": None},
        {"_xlingual": "text"},
        {"_xlingual": {}},
        {"_xlingual": {"kind": "schema", "id": "a", "lang": "de"}},
    ],
)
def test_points_of_others_are_no_documents(payload: dict[str, object] | None) -> None:
    assert to_document(payload) is None


def test_matching_tags_are_all_prefixes() -> None:
    assert matching_tags("zh-Hant-TW") == ["zh", "zh-Hant", "zh-Hant-TW"]
    assert matching_tags("und") == ["und"]
    assert matching_tags("x-private") == ["x", "x-private"]


def test_ids_are_the_same_on_every_machine_forever() -> None:
    assert document_point("B07YSTB5HX") == "0c0b4283-e398-5478-a41f-09b44130d00c"
    assert reserved_point("schema") == "332111f3-45f5-50af-8562-0dfcd350d778"


def test_names_of_reserved_points_do_not_run_into_each_other() -> None:
    names = [("state", "a"), ("state", "a", ""), ("statea",), ("state\0" + "1:a",), ("schema",)]
    assert len({reserved_point(*name) for name in names}) == len(names)
    assert document_point("schema") != reserved_point("schema")
