"""Documents: their ids and hashes."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given

from xlingual_qdrant.documents import Document, Hit, content_hash, document_id, metadata_json
from xlingual_qdrant.testing.strategies import documents


def test_the_same_text_in_the_same_declared_language_is_the_same_document() -> None:
    ids = [
        Document("Gift").id,
        Document("Gift", lang="en").id,
        Document("Gift", lang="de").id,
        Document("gift").id,
        Document("Gift ").id,
    ]
    assert len(set(ids)) == 5
    assert Document("Gift", lang="de").id == ids[2] == document_id("Gift", "de")


def test_ids_and_hashes_never_change_from_version_to_version() -> None:
    assert Document("hello").id == "ee6cd048facd1cc03d5a4d4ce65efc1f"
    hashed = content_hash(Document("hello", lang="en", metadata={"n": 1})).hex()
    assert hashed == "d375800404ffd9902b241cb4c40c3c20"


def test_detecting_a_language_does_not_change_the_id() -> None:
    plain = Document("Gift")
    detected = Document("Gift", lang="de", lang_source="detected", lang_confidence=0.9)
    assert detected.id == plain.id
    assert (plain.declared_lang, detected.declared_lang) == ("", "")
    assert Document("Gift", lang="de").declared_lang == "de"


def test_a_given_id_stays() -> None:
    assert Document("a", id="\0").id == "\0"


def test_a_language_that_comes_with_a_document_is_declared() -> None:
    assert Document("a").lang_source is None
    assert Document("a", lang="de").lang_source == "declared"
    assert Document("a", lang="de", lang_source="detected").lang_source == "detected"


@pytest.mark.parametrize(
    "changed",
    [
        Document("b", id="x", lang="de", metadata={"n": 1}),
        Document("a", id="x", lang="fr", metadata={"n": 1}),
        Document("a", id="x", metadata={"n": 1}),
        Document("a", id="x", lang="de", metadata={"n": 1.0}),
        Document("a", id="x", lang="de", metadata={"n": True}),
        Document("a", id="x", lang="de", metadata={"n": "1"}),
        Document("a", id="x", lang="de", metadata={"n": [1]}),
        Document("a", id="x", lang="de", metadata={"n": 1, "m": None}),
        Document("a", id="x", lang="de"),
    ],
)
def test_the_content_hash_changes_with_text_declared_language_and_metadata(
    changed: Document,
) -> None:
    original = Document("a", id="x", lang="de", metadata={"n": 1})
    assert content_hash(changed) != content_hash(original)


def test_the_content_hash_leaves_out_id_detection_and_the_order_of_keys() -> None:
    one = Document("a", id="x", metadata={"m": 1, "n": {"p": 2, "q": 3}})
    other = Document(
        "a", "y", "de", {"n": {"q": 3, "p": 2}, "m": 1}, lang_source="detected", lang_confidence=0.5
    )
    assert content_hash(one) == content_hash(other)
    assert len(content_hash(one)) == 16


def test_parts_of_a_document_cannot_be_shifted_into_one_another() -> None:
    assert content_hash(Document("ab")) != content_hash(Document("a", lang="b"))
    assert content_hash(Document('a{"b":1}')) != content_hash(Document("a", metadata={"b": 1}))


def test_metadata_json_is_canonical_and_refuses_what_is_not_json() -> None:
    assert metadata_json({"ü": [1, 1.0, True, None], "a": "\n"}) == (
        '{"a":"\\n","ü":[1,1.0,true,null]}'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        metadata_json({"n": float("nan")})


def test_a_hit_has_short_ways_to_its_document() -> None:
    document = Document("a", id="x", lang="de", metadata={"n": 1})
    hit = Hit(document, 0.5)
    assert (hit.id, hit.text, hit.lang, hit.metadata) == ("x", "a", "de", {"n": 1})


@given(documents())
def test_documents_pickle_and_hash_stably(document: Document) -> None:
    again = copy.copy(document)
    assert again == document
    assert content_hash(again) == content_hash(document)
