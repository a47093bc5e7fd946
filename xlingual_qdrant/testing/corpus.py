"""Documents, vectors, filters and awkward values that the contract suites share."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    F,
    Filter,
    HasLang,
    Not,
    Operator,
    Or,
    scalar,
)
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import FieldType

LANGS = ("en", "en", "en", "de", "de-AT", "fr", "zh", "zh-Hant", "pt-BR", "ja", "ar", "und")

FIELDS: dict[str, FieldType] = {
    "year": "integer",
    "rating": "float",
    "brand": "keyword",
    "active": "bool",
    "created": "datetime",
}
"""Declared fields of the random documents; `price`, `flag`, `tags`, `when` ... are not declared."""

ODD_STRINGS: tuple[str, ...] = (
    " ",
    "\t\r\n",
    "\0",
    "a\0b",
    "a\0c",
    "'",
    '"',
    "''; DROP TABLE documents; --",
    "%",
    "_",
    "*",
    "../../etc/passwd",
    "C:\\temp\\new",
    "\\u0041",
    "a.b",
    "$.a[0]",
    "null",
    "true",
    "1",
    "1.0",
    "NaN",
    "é",
    "e\u0301",
    "É",
    "ﬁ",
    "ß",
    "Ⅷ",
    "\u200b",
    "\ufeffbom",
    "\u202eright to left",
    "שלום عليكم",
    "👩‍👩‍👧‍👦",
    "👩",
    "\U0010ffff",
    "\uffff",
    "\ue000",
    "<b>&amp;</b>",
    "{}",
    "\x1b[31m",
    "\u2028",
)
"""Strings that careless code alters, cuts, or takes for something else; all different."""

ODD_METADATA: tuple[Mapping[str, JsonValue], ...] = (
    {},
    {"": "an empty key"},
    {name: name for name in ODD_STRINGS},
    {"id": "not the id", "lang": "not a tag", "text": "not the text", "vector": [1, 2]},
    {"metadata": {"metadata": {}}, "_id": 1, "rowid": 2, "hash": "0"},
    {"integers": [0, -1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]},
    {"floats": [0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, 1.7976931348623157e308, 100.0]},
    {"int": 1, "float": 1.0, "bool": True, "string": "1", "null": None, "list": [1]},
    {"empty": [[], {}, "", None], "nested": {"a": [{"b": [{"c": None}]}]}},
    {"a.b": 1, "a": {"b": 2}},
    {"long": "x" * 100_000},
)
"""Metadata that must come back as it went in, types included."""

_BRANDS = ("acme", "Acme", "O'Brien", 'say "hi"', "日本", "e\u0301", "é", "")
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def random_documents(count: int, seed: int = 0) -> list[Document]:
    """Return documents whose metadata exercises every kind of filter; ids are not in order."""
    rng = random.Random(seed)
    ids = rng.sample(range(10 * count), count)
    return [
        Document(
            text=f"text {number}",
            id=f"id-{number}",
            lang=rng.choice(LANGS),
            metadata=_random_metadata(rng),
        )
        for number in ids
    ]


def random_vectors(count: int, dimension: int, seed: int = 0) -> Vectors:
    """Return unit rows, shape (count, dimension)."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _random_metadata(rng: random.Random) -> dict[str, JsonValue]:
    moment = _EPOCH + timedelta(hours=rng.randrange(-5000, 5000))
    choices: dict[str, list[JsonValue]] = {
        # Declared: of their type, null or a list of it.
        "year": [rng.randrange(1990, 2030), [1999, 2010], None],
        "rating": [rng.random() * 5, 3, [0.5, 4.5]],
        "brand": [rng.choice(_BRANDS), rng.choice(_BRANDS), ["acme", "日本"], []],
        "active": [True, False, [True, False]],
        "created": [moment.isoformat(), moment.date().isoformat(), "2026-01-01T02:00:00+02:00"],
        # Not declared: anything, so that a comparison must look at the type.
        "price": [rng.randrange(20), rng.randrange(20), rng.random() * 20, "7", True, [3, "x", 15]],
        "flag": [True, False, 1, 0, 1.0, "true", None],
        "tags": [["a", "b"], ["b"], [], ["a", 1, True], [["a"]], "a", {"a": 1}],
        "when": [moment.isoformat(), "2026-01-01", "soon", 20260101],
        "big": [2**53, 2**53 + 1, -(2**63), 2**63 - 1],
        "note": [None, "", "short", {"nested": "short"}],
        "a.b": [1, 2],
        "a": [{"b": 1}, {"b": 2}],
        "lang": ["de", "decoy"],
        "id": ["id-1", 7],
    }
    return {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.7}


_NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
OPERATORS: tuple[Operator, ...] = ("=", "!=", "<", "<=", ">", ">=")

FILTERS: dict[str, Filter | None] = {
    "no filter": None,
    "everything": EVERYTHING,
    "nothing": NOTHING,
    "one language": F("lang") == "de",
    "one language with subtags": F("lang") == "zh",
    "one region": F("lang") == "de-AT",
    "a language that is not there": F("lang") == "vi",
    "a tag that only begins alike": HasLang(("e",)),
    "three languages": F("lang").is_in(["de", "fr", "pt"]),
    "not one language": F("lang") != "en",
    "undetermined": F("lang") == "und",
    "one of the ids": F("id").is_in([f"id-{number}" for number in range(0, 3000, 7)]),
    "a range": (F("year") >= 2000) & (F("year") < 2010),
    "a range of floats": (F("rating") > 1.5) & (F("rating") <= 3),
    "a language and a range": (F("lang") == "en") & (F("year") >= 2005),
    "a language or a range": (F("lang") == "fr") | (F("year") < 1995),
    "not a language and a range": ~((F("lang") == "en") & (F("year") >= 2005)),
    "a field that nobody has": F("nowhere") == 1,
    "not a field that nobody has": ~(F("nowhere") == 1),
    "a list of no values": F("brand").is_in([]),
    "not in a list of no values": ~F("brand").is_in([]),
    "one of the values": F("brand").is_in(["acme", "日本"]),
    "values of several types": F("price").is_in([3, "7", True]),
    "no value of these": ~F("brand").is_in(["acme", "日本"]),
    "upper and lower case": F("brand") == "Acme",
    "quotes": F("brand").is_in(["O'Brien", 'say "hi"']),
    "an empty string": F("brand") == "",
    "a composed letter": F("brand") == "é",
    "a decomposed letter": F("brand") == "e\u0301",
    "true": F("flag") == True,  # noqa: E712
    "false": F("flag") == False,  # noqa: E712
    "one": F("flag") == 1,
    "not one": F("flag") != 1,
    "a declared bool": F("active") == False,  # noqa: E712
    "integers and floats": F("price") == 3.0,
    "a number as a string": F("price") == "7",
    "numbers of mixed fields": F("price") > 10.5,
    "the largest integers": F("big") == 2**53 + 1,
    "an order of large integers": F("big") > 2**53,
    "more than 64 bits hold": F("big") == 2**64,
    "less than 64 bits hold": F("big") > -(2**64),
    "a huge float": (F("rating") < 1e300) & (F("year") > -1e300),
    "contains": F("tags").contains("a"),
    "contains a number": F("tags").contains(1),
    "contains a bool": F("tags").contains(True),
    "does not contain": ~F("tags").contains("a"),
    "an element of a list": F("tags") == "a",
    "another element of a list": F("tags") != "a",
    "not an element of a list": ~(F("tags") == "a"),
    "missing": F("note").is_missing(),
    "not missing": ~F("note").is_missing(),
    "missing where it is declared": F("brand").is_missing(),
    "before a moment": F("when") < _NEW_YEAR,
    "at a moment": F("when") == _NEW_YEAR,
    "not at a moment": F("when") != _NEW_YEAR,
    "in declared time": (F("created") >= _NEW_YEAR) & (F("created") < datetime(2026, 3, 1)),
    "a date as a string": F("when") == "2026-01-01",
    "one of some moments": F("when").is_in([_NEW_YEAR, "soon"]),
    "a dot in the name": F("a.b") == 1,
    "a field called lang": F.metadata("lang") == "de",
    "a field called id": F.metadata("id") == 7,
    "both sides of an or": (F("price") < 5) | F("tags").contains("b") | F("note").is_missing(),
    "nested": ~((F("lang") == "en") | ~(F("year") > 2000)) & ~(F("price").is_in([1, 2])),
    "not not": ~~(F("year") == 1999),
    "an and of one": And((F("flag") == True,)),  # noqa: E712
    "an or of one": Or((F("lang") == "ja",)),
    "not everything": Not(EVERYTHING),
    "not nothing": Not(NOTHING),
    **{
        f"{field} {op} {value}": Compare(field, op, scalar(value))
        for field, value in (("rating", 3), ("year", 1999), ("price", 3), ("created", _NEW_YEAR))
        for op in OPERATORS
    },
}
"""Every kind of filter over the random documents, by what it says."""
