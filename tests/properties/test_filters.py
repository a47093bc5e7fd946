"""What holds for every filter: its forms, its algebra, and what it says of a language."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidFilter
from xlingual_qdrant.filter_json import from_json, to_json
from xlingual_qdrant.filter_syntax import parse, unparse
from xlingual_qdrant.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    F,
    Filter,
    Not,
    Or,
    for_language,
    matches,
)
from xlingual_qdrant.testing.strategies import corpora, documents, filters, names, tags, texts

ANY_TEXT = st.text(max_size=60)
WORDS = ("a", "lang", "de", "and", "or", "not", "in", "is", "missing", "contains", "true", "null")
SIGNS = ("(", ")", ",", "=", "<", "'x'", '"y"', "1", "2026-01-31", "metadata.lang", "'", "\\")
FILTER_LIKE = st.lists(st.sampled_from(WORDS + SIGNS), max_size=12).map(" ".join)


def without_singles(where: Filter) -> Filter:
    """Replace an And or Or of one part by that part: text has no way to write it."""
    match where:
        case And(parts) | Or(parts) if len(parts) == 1:
            return without_singles(parts[0])
        case And(parts) | Or(parts):
            return type(where)(tuple(without_singles(part) for part in parts))
        case Not(part):
            return Not(without_singles(part))
        case _:
            return where


def same(one: Filter, other: Filter) -> bool:
    """Compare with types: 1, 1.0 and true are equal to Python."""
    return repr(one) == repr(other)


@given(filters)
def test_text_says_what_the_tree_says(where: Filter) -> None:
    assert same(parse(unparse(where)), without_singles(where))


@given(filters)
def test_json_says_what_the_tree_says(where: Filter) -> None:
    assert same(from_json(json.loads(json.dumps(to_json(where)))), where)


@given(names, texts)
def test_every_name_and_every_string_can_be_written(name: str, value: str) -> None:
    where = F.metadata(name) == value
    assert parse(unparse(where)) == where == from_json(to_json(where))


@given(ANY_TEXT | FILTER_LIKE)
def test_any_text_is_a_filter_or_an_invalid_one(text: str) -> None:
    try:
        where = parse(text)
    except InvalidFilter:
        return
    assert same(parse(unparse(where)), where)


@given(filters, documents())
def test_not_is_plain_negation(where: Filter, document: Document) -> None:
    assert matches(~where, document) is not matches(where, document)


@given(filters, filters, documents())
def test_and_and_or_are_what_they_say(one: Filter, other: Filter, document: Document) -> None:
    both = matches(one, document), matches(other, document)
    assert matches(one & other, document) is all(both)
    assert matches(one | other, document) is any(both)


@given(filters, corpora)
def test_for_language_is_the_filter_as_it_stands_for_that_language(
    where: Filter, corpus: list[Document]
) -> None:
    for document in corpus:
        part = for_language(where, document.lang)
        assert matches(part, document) is matches(where, document)


@given(filters, tags)
def test_for_language_leaves_no_language_and_no_constant_inside(where: Filter, tag: str) -> None:
    def nodes(node: Filter) -> list[Filter]:
        match node:
            case And(parts) | Or(parts):
                return [node, *(below for part in parts for below in nodes(part))]
            case Not(part):
                return [node, *nodes(part)]
            case _:
                return [node]

    whole = for_language(where, tag)
    assert "HasLang" not in repr(whole)
    assert not any(node in (EVERYTHING, NOTHING) for node in nodes(whole)[1:])


@given(names, documents())
def test_a_field_that_is_missing_matches_no_comparison(name: str, document: Document) -> None:
    if matches(F.metadata(name).is_missing(), document):
        for op in ("=", "!=", "<", ">="):
            assert not matches(Compare(name, op, 1), document)
        assert not matches(F.metadata(name) == "x", document)
