"""What makes a document acceptable."""

from __future__ import annotations

import reprlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.documents import Document, document_id, metadata_json
from xlingual_qdrant.errors import InvalidDocument, Reason
from xlingual_qdrant.testing.corpus import ODD_METADATA, ODD_STRINGS
from xlingual_qdrant.testing.strategies import documents
from xlingual_qdrant.validation import (
    MAX_DEPTH,
    MAX_ID,
    MAX_TEXT,
    check_metadata,
    check_text,
    to_document,
)

BLANK = ("", " ", "\t\r\n", "\0", "\u200b", "\ufeff", "\u202e", "\u2028", "\u3000", "\u00ad" * 9)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def reason_of(value: Any) -> str:
    with pytest.raises(InvalidDocument) as caught:
        to_document(value)
    assert len(str(caught.value)) < 300
    return caught.value.reason


def test_a_text_alone_is_a_document() -> None:
    assert to_document("hello") == Document("hello", id=document_id("hello"))


def test_a_dict_is_a_document() -> None:
    value = {"text": "a", "id": 7, "lang": "iw", "metadata": {"n": 1}}
    assert to_document(value) == Document("a", id="7", lang="he", metadata={"n": 1})
    for empty in (None, ""):
        value = {"text": "a", "id": empty, "lang": empty, "metadata": None}
        assert to_document(value) == Document("a")


@given(documents().filter(lambda document: any(map(str.isalnum, document.text))))
def test_a_document_that_is_acceptable_stays_as_it_is(document: Document) -> None:
    assert to_document(document) == document


@pytest.mark.parametrize("text", [text for text in ODD_STRINGS if text not in BLANK], ids=ascii)
def test_a_text_is_kept_as_it_is(text: str) -> None:
    assert check_text(text) is text


@pytest.mark.parametrize(
    "metadata", ODD_METADATA, ids=lambda value: ascii(reprlib.repr(value))[:30]
)
def test_any_json_object_is_metadata(metadata: Any) -> None:
    assert check_metadata(metadata) == metadata
    assert metadata_json(metadata)


def test_limits_are_what_is_still_taken() -> None:
    assert to_document("x" * MAX_TEXT).text == "x" * MAX_TEXT
    assert to_document({"text": "a", "id": "x" * MAX_ID}).id == "x" * MAX_ID
    assert check_metadata({"n": [2**63 - 1, -(2**63)], "deep": nested(MAX_DEPTH)})
    assert to_document({"text": "a", "metadata": {"t": (1, 2)}}).metadata


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *(({"text": text}, "empty") for text in (None, *BLANK)),
        ({"text": 3}, "type"),
        ({"text": b"bytes"}, "type"),
        ({"text": ["a"]}, "type"),
        ({"text": "x" * (MAX_TEXT + 1)}, "too-long"),
        ({"text": "half \ud83d of a pair"}, "surrogate"),
        ({"text": "\udc80"}, "surrogate"),
        ({}, "field"),
        ({"txt": "a"}, "field"),
        ({"text": "a", "priority": 2}, "field"),
        ({"text": "a", "id": 1.5}, "type"),
        ({"text": "a", "id": True}, "type"),
        ({"text": "a", "id": ["x"]}, "type"),
        ({"text": "a", "id": "x" * (MAX_ID + 1)}, "too-long"),
        ({"text": "a", "id": "\ud800"}, "surrogate"),
        ({"text": "a", "lang": "german"}, "language"),
        ({"text": "a", "lang": 3}, "language"),
        ({"text": "a", "metadata": []}, "type"),
        ({"text": "a", "metadata": "x"}, "type"),
        ({"text": "a", "metadata": {1: 2}}, "type"),
        ({"text": "a", "metadata": {"n": 2**63}}, "type"),
        ({"text": "a", "metadata": {"n": [-(2**63) - 1]}}, "type"),
        ({"text": "a", "metadata": {"n": float("nan")}}, "type"),
        ({"text": "a", "metadata": {"n": {"m": float("-inf")}}}, "type"),
        ({"text": "a", "metadata": {"n": {1, 2}}}, "type"),
        ({"text": "a", "metadata": {"n": b"x"}}, "type"),
        ({"text": "a", "metadata": {"n": "\ud800"}}, "surrogate"),
        ({"text": "a", "metadata": {"\ud800": 1}}, "surrogate"),
        ({"text": "a", "metadata": {"n": [{"\ud800": 1}]}}, "surrogate"),
        ({"text": "a", "metadata": {"n": nested(MAX_DEPTH + 1)}}, "json"),
        ({"text": "a", "metadata": {"n": nested(100_000)}}, "json"),
        ({"text": nested(100_000)}, "type"),
        ({"text": "a", "id": nested(100_000)}, "type"),
        ({"text": "a", "lang": nested(100_000)}, "language"),
        (nested(100_000), "type"),
        (3, "type"),
        (None, "type"),
        (b"bytes", "type"),
        ([], "type"),
    ],
    ids=lambda value: ascii(reprlib.repr(value))[:40],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(value: Any, reason: Reason) -> None:
    assert reason_of(value) == reason


def test_a_document_is_checked_like_a_dict() -> None:
    assert reason_of(Document(" ", id="x")) == "empty"
    assert reason_of(Document("a", lang="german")) == "language"
    assert reason_of(Document("a", metadata={"n": float("nan")})) == "type"
    assert reason_of(Document("a", lang="xx!", lang_source="detected")) == "language"
    detected = Document("a", lang="de", lang_source="detected", lang_confidence=0.5)
    assert to_document(detected) == detected
    assert to_document(Document("a", lang="iw")).lang == "he"


def test_a_reason_names_what_was_met_and_where() -> None:
    for value, said in (
        ({"text": "ab\ud83d"}, "U+D83D, at character 2"),
        ({"text": "a", "priority": 2}, "unknown key 'priority'"),
        ({"text": "a", "metadata": {"price": 2**64}}, "'price': an integer beyond 64 bits"),
        ({"text": "a", "metadata": {"price": {"eur": {1}}}}, "'price': JSON cannot hold set"),
        ({"text": "x" * 1_000_001}, "1,000,001 characters, at most 1,000,000"),
    ):
        with pytest.raises(InvalidDocument) as caught:
            to_document(value)
        assert said in str(caught.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(ANYTHING)
def test_anything_is_a_document_or_refused(value: Any) -> None:
    for each in (
        value,
        {"text": value},
        {"text": "a", "id": value, "metadata": value},
        {"text": "a", "lang": value},
        {"text": "a", "metadata": {"x": value}},
    ):
        problem = ""
        try:
            document = to_document(each)
        except InvalidDocument as exc:
            problem = str(exc)
        else:
            assert to_document(document) == document
        assert problem.isprintable()


def test_a_message_is_safe_to_print() -> None:
    for value in (
        {"text": "a", "metadata": {"\x1b[31m\n": {1}}},
        {"text": "a", "\x1b[31m": 1},
        {"text": "a", "lang": "\x1b[31m"},
        "\x1b",
    ):
        with pytest.raises(InvalidDocument) as caught:
            to_document(value)
        assert str(caught.value).isprintable()
