"""What a filter means."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.errors import InvalidFilter, UnknownLanguage
from xlingual_qdrant.filters import (
    EVERYTHING,
    NOTHING,
    And,
    F,
    Filter,
    HasLang,
    Not,
    Or,
    combine,
    for_language,
    language_filter,
    matches,
    parse_datetime,
    scalar,
)
from xlingual_qdrant.testing.corpus import FILTERS, random_documents

FIELD = F("x")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MISSING = Document("a")


def holds(where: Filter, value: JsonValue) -> bool:
    return matches(where, Document("a", metadata={"x": value}))


@pytest.mark.parametrize(
    ("where", "passing", "failing"),
    [
        (FIELD == 1, [1, 1.0, [0, 1]], [0, True, "1", None, [], {"x": 1}, [[1]]]),
        (FIELD == 1.5, [1.5, [1.5]], [1, "1.5"]),
        (FIELD == True, [True, [False, True]], [1, 1.0, "true", False]),  # noqa: E712
        (FIELD == "a", ["a", ["b", "a"]], ["A", "a ", ["ab"], {"a": 1}]),
        (FIELD == "é", ["é"], ["e\u0301", "e"]),
        (FIELD != 1, [0, 2.5, [1, 2]], [1, 1.0, "2", True, None, [], [1, "2"]]),
        (FIELD != "a", ["b", ["a", "b"]], ["a", ["a"], 1, None]),
        (FIELD < 2, [1, 1.9, -(2**63), [5, 1]], [2, "1", False, None, []]),
        (FIELD <= 2, [2, 2.0], [2.1]),
        (FIELD > 2**53, [2**53 + 1], [2**53, float(2**53)]),
        (FIELD >= 2, [2, 3], [1, True]),
        (FIELD == NEW_YEAR, ["2026-01-01", "2026-01-01T01:00:00+01:00", "20260101"], ["soon", 1]),
        (FIELD != NEW_YEAR, ["2026-01-02"], ["2026-01-01", "soon", None]),
        (FIELD < NEW_YEAR, ["2025-12-31T23:59:59.999Z", ["x", "2025-01-01"]], ["2026-01-01", "x"]),
        (FIELD.__ge__(date(2026, 1, 1)), ["2026-01-01T00:00:00"], ["2025-12-31"]),
        (FIELD == "2026-01-01", ["2026-01-01"], ["2026-01-01T00:00:00Z"]),
        (FIELD.is_in([1, "a"]), [1, "a", ["b", "a"]], [2, True, "1", None]),
        (FIELD.is_in([]), [], [1, None, []]),
        (FIELD.contains("a"), [["a"], ["b", "a"]], ["a", "abc", [], [["a"]], {"a": 1}]),
        (FIELD.contains(1), [[1.0]], [[True], 1]),
        (FIELD.is_missing(), [None, []], [0, "", False, {}, [None], [[]]]),
    ],
    ids=str,
)
def test_a_condition_looks_at_type_and_value(
    where: Filter, passing: list[JsonValue], failing: list[JsonValue]
) -> None:
    assert [value for value in passing if not holds(where, value)] == []
    assert [value for value in failing if holds(where, value)] == []
    assert not any(holds(~where, value) for value in passing)
    assert all(holds(~where, value) for value in failing)


def test_a_missing_field_passes_is_missing_alone() -> None:
    for where in (FIELD == 1, FIELD != 1, FIELD < 1, FIELD.is_in([1]), FIELD.contains(1)):
        assert not matches(where, MISSING)
        assert matches(~where, MISSING)
    assert matches(FIELD.is_missing(), MISSING)


@pytest.mark.parametrize(
    ("wanted", "tags"),
    [
        ("de", ["de", "de-AT", "de-CH-1996"]),
        ("de-AT", ["de-AT"]),
        ("zh", ["zh", "zh-Hant"]),
        ("und", ["und"]),
        ("zh_hant", ["zh-Hant"]),
    ],
)
def test_a_language_takes_its_subtags(wanted: str, tags: list[str]) -> None:
    every = ["de", "de-AT", "de-CH-1996", "zh", "zh-Hant", "und", "en", "del"]
    for where, expected in (
        (F("lang") == wanted, tags),
        (F("lang") != wanted, [tag for tag in every if tag not in tags]),
    ):
        assert [tag for tag in every if matches(where, Document("a", lang=tag))] == expected


def test_lang_and_id_are_the_documents_own_unless_metadata_is_said() -> None:
    document = Document("a", id="7", lang="de", metadata={"lang": "fr", "id": "8"})
    assert matches((F("lang") == "de") & (F("id") == "7"), document)
    assert not matches((F("lang") == "fr") | (F("id") == "8"), document)
    assert matches((F.metadata("lang") == "fr") & (F.metadata("id") == "8"), document)
    assert not matches(F("lang").is_missing() | F("id").is_missing(), document)


def test_operators_build_one_flat_node() -> None:
    a, b, c = FIELD == 1, FIELD == 2, FIELD == 3
    assert a & b & c == And((a, b, c))
    assert a | b | c == Or((a, b, c))
    assert ~(a | b) & c == And((Not(Or((a, b))), c))
    assert {a, FIELD == 1} == {a}


def test_and_or_and_chained_comparisons_are_refused_rather_than_half_read() -> None:
    with pytest.raises(InvalidFilter, match="combine filters with"):
        _ = (FIELD == 1) and (FIELD == 2)
    with pytest.raises(InvalidFilter, match="combine filters with"):
        _ = 1 < FIELD < 3


@pytest.mark.parametrize(
    "value", [None, [1], {"a": 1}, float("nan"), float("inf"), object(), b"x", 1j]
)
def test_what_no_field_can_be_is_refused(value: object) -> None:
    for build in (FIELD.__eq__, FIELD.__ne__, FIELD.__lt__, FIELD.contains):
        with pytest.raises(InvalidFilter):
            build(value)  # type: ignore[operator]
    with pytest.raises(InvalidFilter):
        FIELD.is_in([value])  # type: ignore[list-item]


def test_what_has_no_order_is_refused() -> None:
    for value in ("a", True):
        with pytest.raises(InvalidFilter, match="only numbers and datetimes are ordered"):
            _ = value > FIELD  # type: ignore[operator]
    for own in (F("lang"), F("id")):
        for build in (own.__lt__, own.__ge__):
            with pytest.raises(InvalidFilter, match="has no order"):
                build(1)
        with pytest.raises(InvalidFilter, match="is not a list"):
            own.contains("a")
        with pytest.raises(InvalidFilter, match="is a string"):
            _ = own == 1
    with pytest.raises(InvalidFilter, match="one string"):
        FIELD.is_in("abc")
    with pytest.raises(UnknownLanguage):
        _ = F("lang") == "german"


def test_a_moment_is_the_same_in_every_zone() -> None:
    east = timezone(timedelta(hours=9))
    assert scalar(datetime(2026, 1, 1, 9, tzinfo=east)) == NEW_YEAR
    assert scalar(datetime(2026, 1, 1)) == scalar(date(2026, 1, 1)) == NEW_YEAR
    assert parse_datetime("2026-01-01T09:00:00+09:00") == NEW_YEAR
    assert parse_datetime("2026-01-01T00:00:00Z") == NEW_YEAR
    for text in ("", "soon", "2026", "2026-02-30", "0001-01-01T00:00:00+14:00", "12:00", "1"):
        assert parse_datetime(text) is None


def test_for_language_settles_what_is_said_of_the_language() -> None:
    price = F("price") < 10
    german = F("lang") == "de"
    assert for_language(german, "de-AT") == EVERYTHING
    assert for_language(german, "en") == NOTHING
    assert for_language(~german, "en") == EVERYTHING
    assert for_language(german & price, "de") == price
    assert for_language(german & price, "en") == NOTHING
    assert for_language(german | price, "de") == EVERYTHING
    assert for_language(german | price, "en") == price
    assert for_language(~(german & price), "de") == ~price
    assert for_language(And((german, And((~german, price)))), "de") == NOTHING
    assert for_language(EVERYTHING, "de") == EVERYTHING
    assert for_language(NOTHING, "de") == NOTHING
    assert for_language(HasLang(()), "de") == NOTHING


def test_wanted_and_unwanted_languages_become_one_filter() -> None:
    assert language_filter((), ()) is None
    assert language_filter(("de",), ()) == HasLang(("de",))
    assert language_filter((), ("en",)) == Not(HasLang(("en",)))
    assert combine(None, None) is None
    both = language_filter(("de",), ("de-AT",))
    assert both is not None
    assert matches(both, Document("a", lang="de"))
    assert not matches(both, Document("a", lang="de-AT"))


@pytest.mark.parametrize("name", FILTERS)
def test_filters_pickle_and_hash(name: str) -> None:
    where = FILTERS[name]
    assert copy.copy(where) == where
    assert hash(where) == hash(FILTERS[name])


def test_the_filters_of_the_contract_are_not_trivial() -> None:
    documents = random_documents(700, seed=2)
    trivial = {
        name
        for name, where in FILTERS.items()
        if where is None or sum(matches(where, document) for document in documents) in (0, 700)
    }
    assert trivial == {
        "no filter",
        "everything",
        "nothing",
        "a language that is not there",
        "a tag that only begins alike",
        "a field that nobody has",
        "not a field that nobody has",
        "a list of no values",
        "not in a list of no values",
        "more than 64 bits hold",
        "not everything",
        "not nothing",
    }
