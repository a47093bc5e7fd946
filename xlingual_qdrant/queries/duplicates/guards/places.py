"""Countries that a text names, by their codes: the same in every language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import langcodes

from xlingual_qdrant.queries.duplicates.guards.lexicon import country_codes
from xlingual_qdrant.queries.duplicates.guards.spelling import folded, tokens

_UNSPACED = frozenset(("zh", "ja", "th"))
_ATTACHED = {"ar": "وبلفك", "he": "ובלמהשכ"}
"""Letters that Arabic and Hebrew write before a word where others write a word."""
_STEM = 4
"""Letters that a name keeps at least when its ending is taken off."""


@dataclass(frozen=True, slots=True)
class _Names:
    """How the countries are called in one language."""

    whole: dict[tuple[str, ...], str]
    stems: dict[str, list[tuple[str, str]]]
    longest: int
    pattern: re.Pattern[str] | None


def places_of(words: Sequence[str], plain: str, lang: str) -> frozenset[str]:
    """Return the codes of the countries named in the words of a text.

    Endings are allowed: Ranskassa, Франции, Germany's and Germans are theirs, too.
    """
    names = _names(lang)
    if names.pattern is not None:
        found = names.pattern.findall(plain)
        return frozenset(names.whole[(name,)] for name in found)
    codes: set[str] = set()
    at = 0
    while at < len(words):
        for length in range(min(names.longest, len(words) - at), 0, -1):
            code = names.whole.get(tuple(words[at : at + length]))
            if code is not None:
                codes.add(code)
                at += length
                break
        else:
            code = _with_ending(words[at], names, lang)
            if code is not None:
                codes.add(code)
            at += 1
    return frozenset(codes)


def _with_ending(word: str, names: _Names, lang: str) -> str | None:
    if len(word) < _STEM:
        return None
    if word[0] in _ATTACHED.get(lang, ""):
        code = names.whole.get((word[1:],))
        if code is not None:
            return code
    fitting = [
        (len(stem), code)
        for stem, code in names.stems.get(word[:_STEM], ())
        if word.startswith(stem) and len(word) - len(stem) <= (5 if len(stem) > _STEM else 3)
    ]
    return max(fitting)[1] if fitting else None


@cache
def _names(lang: str) -> _Names:
    whole: dict[tuple[str, ...], str] = {}
    stems: dict[str, list[tuple[str, str]]] = {}
    if not re.fullmatch(r"[a-z]{2,3}", lang) or lang == "und":
        return _Names({}, {}, 0, None)
    spaced = lang not in _UNSPACED
    for code in country_codes():
        name = langcodes.Language.make(territory=code).territory_name(lang)
        if name == code:
            continue
        plain = folded(re.sub(r"\(.*\)|（.*）", "", name), lang)
        parts = tuple(tokens(plain, lang)) if spaced else (plain.strip(),)
        whole.setdefault(parts, code)
        if len(parts) == 1 and spaced and len(parts[0]) >= _STEM:
            stem = re.sub(r"[^\W\d_](?<=[aeiouyäöаеиоуяюьїіαηοςسا])$", "", parts[0])
            stem = stem if len(stem) >= _STEM else parts[0]
            stems.setdefault(stem[:_STEM], []).append((stem, code))
    longest = max((len(parts) for parts in whole), default=0)
    pattern = None
    if not spaced:
        alike = sorted((name for (name,) in whole), key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, alike)))
    return _Names(whole, stems, longest, pattern)
