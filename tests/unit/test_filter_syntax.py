"""Filters as text and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from xlingual_qdrant.errors import InvalidFilter
from xlingual_qdrant.filter_json import from_json, to_json
from xlingual_qdrant.filter_syntax import parse, unparse
from xlingual_qdrant.filters import EVERYTHING, NOTHING, And, F, Filter, Not, Or

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price < 10 and lang in (de, fr)", (F("price") < 10) & F("lang").is_in(["de", "fr"])),
        ("price<10 AND lang=de", (F("price") < 10) & (F("lang") == "de")),
        ("a = 1", F("a") == 1),
        ("a == 1.0", F("a") == 1.0),
        ("a != -1.5e-3", F("a") != -1.5e-3),
        ("a <= .5", F("a") <= 0.5),
        ("a > 9223372036854775807", F("a") > 2**63 - 1),
        ("a = true", F("a") == True),  # noqa: E712
        ("a = FALSE", F("a") == False),  # noqa: E712
        ("a = 'true'", F("a") == "true"),
        ("a = acme", F("a") == "acme"),
        ("a = it_is-1.x", F("a") == "it_is-1.x"),
        ("a = 3kg", F("a") == "3kg"),
        ("a = 1.2.3", F("a") == "1.2.3"),
        ("zip = 01234", F("zip") == "01234"),
        ("a = 'O\\'Brien says \"hi\"'", F("a") == 'O\'Brien says "hi"'),
        (r'a = "\"\\\n\u0041\ud83d\ude00"', F("a") == '"\\\nA😀'),
        ("a = 'two\nlines'", F("a") == "two\nlines"),
        ("ブランド = 東京タワー", F("ブランド") == "東京タワー"),
        ("नाम = हिन्दी", F("नाम") == "हिन्दी"),
        ("a >= 2026-01-01", F("a") >= NEW_YEAR),
        ("a >= 2026-01-01T02:00:00+02:00", F("a") >= NEW_YEAR),
        ("a >= 2026-01-01T00:00:00.000Z", F("a") >= NEW_YEAR),
        ("a = '2026-01-01'", F("a") == "2026-01-01"),
        ("a in ()", F("a").is_in([])),
        ("a in (1, x, 'y', 2026-01-01)", F("a").is_in([1, "x", "y", NEW_YEAR])),
        ("a not in (1)", ~F("a").is_in([1])),
        ("tags contains new", F("tags").contains("new")),
        ("tags not contains new", ~F("tags").contains("new")),
        ("a is missing", F("a").is_missing()),
        ("a IS NULL", F("a").is_missing()),
        ("a is not null", ~F("a").is_missing()),
        ("lang != iw", F("lang") != "he"),
        ("lang in (no, is, or)", F("lang").is_in(["no", "is", "or"])),
        ("lang not in (zh_hant)", ~F("lang").is_in(["zh-Hant"])),
        ("id = x", F("id") == "x"),
        ("id = 007", F("id") == "007"),
        ("id in (1, 'a b')", F("id").is_in(["1", "a b"])),
        ("metadata.lang = de", F.metadata("lang") == "de"),
        ("metadata.a.b = 1", F("a.b") == 1),
        ('"lang" = de', F.metadata("lang") == "de"),
        ('"metadata.x" = 1', F("metadata.x") == 1),
        ('"a b" is missing', F("a b").is_missing()),
        ('"" = 1', F("") == 1),
        ("a.b = 1", F("a.b") == 1),
        ("true", EVERYTHING),
        ("false or not true", Or((NOTHING, Not(EVERYTHING)))),
        ("not a = 1 and b = 2", ~(F("a") == 1) & (F("b") == 2)),
        ("a=1 or b=2 and c=3", (F("a") == 1) | ((F("b") == 2) & (F("c") == 3))),
        ("(a=1 or b=2) and c=3", ((F("a") == 1) | (F("b") == 2)) & (F("c") == 3)),
        ("a=1 and (b=2 and c=3)", And((F("a") == 1, And((F("b") == 2, F("c") == 3))))),
        ("not not a=1", ~~(F("a") == 1)),
        ("((a = 1))", F("a") == 1),
    ],
)
def test_a_text_is_read_as_the_tree(text: str, expected: Filter) -> None:
    assert repr(parse(text)) == repr(expected)
    assert repr(parse(unparse(expected))) == repr(expected)


@pytest.mark.parametrize(
    ("text", "caret_under", "problem"),
    [
        ("", "", "expected a field name"),
        ("   ", "", "expected a field name"),
        ("price <", "", "expected a value, found the end"),
        ("price < )", ")", "expected a value, found ')'"),
        ("price 10", "10", "expected one of = != <"),
        ("price < 10 lang = de", "lang", "expected 'and', 'or' or the end, found 'lang'"),
        ("(a = 1", "", "expected ')', found the end"),
        ("a = 1)", ")", "expected 'and', 'or' or the end"),
        ("a in 1", "1", "expected '('"),
        ("a in (1 2)", "2", "expected ',' or ')'"),
        ("a in (1,)", ")", "expected a value"),
        ("a is 3", "3", "expected 'missing' or 'not missing'"),
        ("a is not 3", "3", "expected 'missing'"),
        ("a not 3", "3", "expected 'in' or 'contains'"),
        ("a = 'x", "'x", "the string that begins here has no end"),
        ("a = 'x\\", "'x", "the string that begins here has no end"),
        (r"a = '\q'", "'", "an escape that JSON does not have"),
        ("a = “x”", "“", "'“' belongs in quotes"),
        ("a = me@example.com", "@", "'@' belongs in quotes"),
        ("a & b", "&", "'&' belongs in quotes"),
        ("'a' = 1", "'a'", "names are put in double quotes"),
        ("3 = a", "3", "expected a field name"),
        ("and = 1", "and", "expected a field name"),
        ("a = null", "null", "for null write 'is missing'"),
        ("a = 2026-02-30", "2026", "2026-02-30 is not a date of the calendar"),
        ("a = " + "9" * 5000, "9", "a number of thousands of digits"),
        ("a = 1e999", "a", "not inf"),
        ("a < x", "a", "only numbers and datetimes are ordered"),
        ("a < true", "a", "only numbers and datetimes are ordered"),
        ("lang < de", "lang", "'lang' has no order"),
        ("lang = german", "lang", "'german' is not a language tag"),
        ("id contains x", "id", "'id' is not a list"),
        ("日本 = 日本 語", "語", "expected 'and', 'or' or the end"),
    ],
)
def test_an_error_shows_the_place(text: str, caret_under: str, problem: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(text)
    message, shown, caret = str(caught.value).split("\n")
    assert problem in message
    if text.isascii() and len(text) < 60:
        assert shown[len(caret) - 1 :].startswith(caret_under)
        assert shown.strip() == text.strip()


def test_a_caret_stands_under_wide_letters() -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse("日本 = 日本 語")
    assert str(caught.value).endswith("\n    日本 = 日本 語\n    " + " " * 12 + "^")


def test_of_a_long_text_the_surroundings_are_shown() -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(" or ".join(["price < 10"] * 1000) + " or = 3")
    assert len(str(caught.value)) < 300
    assert "\n    ..." in str(caught.value)


@pytest.mark.parametrize("text", ["(" * 10_000, "not " * 10_000 + "a = 1", "(not " * 60 + "a=1"])
def test_deep_nesting_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter, match="more than 100 levels"):
        parse(text)


def test_long_filters_are_read_if_they_are_flat() -> None:
    parsed = parse(" or ".join(f"a = {number}" for number in range(10_000)))
    assert isinstance(parsed, Or)
    assert len(parsed.parts) == 10_000
    assert parse("(" * 100 + "a = 1" + ")" * 100) == (F("a") == 1)


def test_a_filter_nested_too_deep_is_not_written() -> None:
    where = F("a") == 1
    for _ in range(100):
        where = ~where
    assert parse(unparse(where)) == where == from_json(to_json(where))
    for write in (unparse, to_json):
        with pytest.raises(InvalidFilter, match="more than 100 levels"):
            write(~where)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ((F("lang") == "de") & (F("price") < 10), "lang = de and price < 10"),
        (~F("lang").is_in(["de", "x-own"]), "not lang in (de, x-own)"),
        ((F("a") == 1) | ~((F("b") == "x") & (F("c") >= NEW_YEAR)),
         'a = 1 or not (b = "x" and c >= 2026-01-01T00:00:00Z)'),
        (F.metadata("lang") == "O'Brien", '"lang" = "O\'Brien"'),
        (~F("is").is_missing(), '"is" is not missing'),
        (EVERYTHING, "true"),
        (NOTHING, "false"),
    ],
)  # fmt: skip
def test_a_tree_is_written_as_a_person_would(where: Filter, text: str) -> None:
    assert unparse(where) == text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"field": "price", "op": "<", "value": 10}, F("price") < 10),
        ({"field": "a", "op": "=", "value": {"datetime": "2026-01-01"}}, F("a") == NEW_YEAR),
        ({"field": "a", "op": "in", "value": [1, "x", True]}, F("a").is_in([1, "x", True])),
        ({"field": "a", "op": "contains", "value": "x"}, F("a").contains("x")),
        ({"field": "a", "op": "missing"}, F("a").is_missing()),
        ({"field": "lang", "op": "=", "value": "iw"}, F("lang") == "he"),
        ({"metadata": "lang", "op": "=", "value": "iw"}, F.metadata("lang") == "iw"),
        ({"metadata": "id", "op": "missing"}, F.metadata("id").is_missing()),
        ({"lang": ["de", "fr"]}, F("lang").is_in(["de", "fr"])),
        ({"id": ["a"]}, F("id") == "a"),
        ({"and": []}, EVERYTHING),
        ({"or": []}, NOTHING),
        ({"and": [{"or": [{"not": {"lang": ["de"]}}]}]}, And((Or((F("lang") != "de",)),))),
    ],
)
def test_json_is_read_as_the_tree(value: Any, expected: Filter) -> None:
    assert repr(from_json(value)) == repr(expected)
    assert repr(from_json(to_json(expected))) == repr(expected)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "the filter: expected an object, got NoneType"),
        ([], "the filter: expected an object, got list"),
        ({}, "got an object with no keys"),
        ({"price": 3}, "got an object with price"),
        ({"field": "a", "op": "=", "value": 1, "boost": 2}, "field, op, value, boost"),
        ({"field": "a", "op": "="}, "got an object with field, op"),
        ({"field": "a", "op": "missing", "value": 1}, "got an object with"),
        ({"field": 3, "op": "=", "value": 1}, "got an object with"),
        ({"field": "a", "op": ["="], "value": 1}, "got an object with"),
        ({"field": "a", "metadata": "b", "op": "missing"}, "got an object with"),
        ({"and": [], "or": []}, "got an object with and, or"),
        ({"field": "a", "op": "contain", "value": 1}, "Did you mean 'contains'?"),
        ({"field": "a", "op": "in", "value": "x"}, "expected an array, got str"),
        ({"field": "a", "op": "=", "value": None}, "for null use is_missing()"),
        ({"field": "a", "op": "=", "value": [1]}, "a field can be compared with"),
        ({"field": "a", "op": "=", "value": float("nan")}, "not nan"),
        ({"field": "a", "op": "<", "value": "x"}, "only numbers and datetimes"),
        ({"field": "a", "op": "=", "value": {"date": "2026"}}, 'can only be {"datetime": "..."}'),
        ({"field": "a", "op": "=", "value": {"datetime": "soon"}}, "'soon' is not an ISO 8601"),
        ({"and": [{"lang": ["de"]}, {"not": {"or": [3]}}]}, "filter.and[1].not.or[0]: expected"),
        ({"and": {"lang": ["de"]}}, "filter.and: expected an array, got dict"),
        ({"lang": "de"}, "filter.lang: expected an array, got str"),
        ({"lang": ["german"]}, "'german' is not a language tag"),
        ({"id": [7]}, "'id' is a string"),
    ],
)
def test_json_that_is_no_filter_is_refused_with_its_place(value: Any, problem: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        from_json(value)
    assert problem in str(caught.value)


def test_deep_json_is_refused() -> None:
    value: Any = {"lang": ["de"]}
    for _ in range(10_000):
        value = {"not": value}
    with pytest.raises(InvalidFilter, match="more than 100 levels"):
        from_json(value)
