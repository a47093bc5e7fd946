"""What is known of the words of a language: read from `words.toml`, spelled for comparison."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, NamedTuple

from xlingual_qdrant.queries.duplicates.guards.spelling import UNSPACED, characters, folded, tokens


@dataclass(frozen=True)
class Lexicon:
    """Words of one language, all folded.

    months: a form to its number, 1 to 12; forms that stand for any ending are in `month_stems`,
    and those that are a month only in a text with a number are in `doubtful_months`, too.
    """

    lang: str
    known: bool
    function: frozenset[str]
    filler: frozenset[str]
    negation: frozenset[str]
    negation_parts: tuple[str, ...]
    negation_prefixes: tuple[str, ...]
    months: dict[str, int]
    month_stems: tuple[tuple[str, int], ...]
    doubtful_months: frozenset[str]

    @cached_property
    def light(self) -> frozenset[str]:
        """Words that may come or go without changing what is said."""
        return (self.function | self.filler) - self.negation

    @cached_property
    def long_fillers(self) -> tuple[str, ...]:
        """Fillers of more than one character, the longest first."""
        return tuple(sorted((f for f in self.filler if len(f) > 1), key=len, reverse=True))

    @cached_property
    def seem_negated(self) -> tuple[str, ...]:
        """Words that may come or go and have a negation written in them, such as 非常 (very)."""
        parts = self.negation_parts
        return tuple(word for word in self.light if any(part in word for part in parts))

    def may_come_or_go(self, word: str) -> bool:
        """Say whether a text says the same with this word and without it, as far as is known.

        In scripts without spaces a word may be several, or a single character that was missed.
        """
        if word in self.light:
            return True
        if word in self.negation or any(part in word for part in self.negation_parts):
            return False
        if UNSPACED.match(word):
            # Where a word was put in may be seen a character too late: เ|หลือเกินเ|ลือก.
            turned = (word[at:] + word[:at] for at in range(len(word)))
            return len(characters(word)) == 1 or any(map(self._is_made_of_light, turned))
        return not self.known and len(word) <= 4

    def _is_made_of_light(self, word: str) -> bool:
        reached = {0}
        for start in range(len(word)):
            if start in reached:
                reached |= {
                    start + len(each) for each in self.light if word.startswith(each, start)
                }
        return len(word) in reached

    def has(self, word: str) -> bool:
        """Say whether a word is one of those that are known."""
        return word in self.function or word in self.filler or word in self.negation

    def month(self, word: str, *, with_numbers: bool) -> int | None:
        """Return the month that a folded word names, 1 to 12."""
        if word in self.doubtful_months and not with_numbers:
            return None
        found = self.months.get(word)
        if found is None:
            found = next((n for stem, n in self.month_stems if word.startswith(stem)), None)
        return found


@cache
def lexicon(lang: str) -> Lexicon:
    """Return what is known of a language by its base tag; little, if it has no table."""
    table = tables().languages.get("nb" if lang in ("no", "nn") else lang)
    known = table is not None
    table = table or {}

    def words(name: str) -> frozenset[str]:
        plain = folded(str(table.get(name, "")), lang)
        return frozenset("".join(tokens(word, lang)) for word in plain.split()) - {""}

    months: dict[str, int] = {}
    stems: list[tuple[str, int]] = []
    doubtful: set[str] = set()
    for number, forms in enumerate(table.get("months", ()), 1):
        for form in forms.split("/"):
            word = folded(form.strip("~*"), lang)
            months[word] = number
            if form.endswith("*"):
                stems.append((word, number))
            if form.startswith("~"):
                doubtful.add(word)
    return Lexicon(
        lang,
        known,
        words("function"),
        words("filler"),
        words("negation"),
        tuple(sorted(words("negation_parts"))),
        tuple(sorted(words("negation_prefixes"), key=len, reverse=True)),
        months,
        tuple(stems),
        frozenset(doubtful),
    )


def country_codes() -> list[str]:
    """Return the codes of the countries whose names are looked for."""
    return tables().countries


class Tables(NamedTuple):
    """What `words.toml` holds. languages: by base tag."""

    countries: list[str]
    languages: dict[str, dict[str, str | list[str]]]


@cache
def tables() -> Tables:
    """Read `words.toml`."""
    file = files("xlingual_qdrant.queries.duplicates.guards").joinpath("words.toml")
    read: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    countries = str(read.pop("countries")).split()
    return Tables(countries, read)
