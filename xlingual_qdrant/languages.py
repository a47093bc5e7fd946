"""Language tags: their canonical form, what a wanted tag matches, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import langcodes
from langcodes.tag_parser import LanguageTagError

from xlingual_qdrant.errors import UnknownLanguage

UNDETERMINED = "und"
"""The tag of a text whose language is not known (BCP 47)."""


class Detection(NamedTuple):
    """What a detector says of one text."""

    lang: str
    """Canonical tag, `und` when the detector is not sure."""
    confidence: float
    """0 to 1; comparable within one detector only."""


@lru_cache(maxsize=4096)
def canonical(tag: str) -> str:
    """Return the canonical BCP 47 form of a tag: 'iw' is 'he', 'zh_hant' is 'zh-Hant'.

    White space around the tag is ignored. Private and special tags (`x-...`,
    `und`, `mul`, `zxx`) stay. Raises UnknownLanguage for anything malformed or
    not registered; nothing is guessed.
    """
    stripped = tag.strip()
    if not stripped.isascii() or len(stripped) > 200:
        raise UnknownLanguage(tag)
    try:
        known = langcodes.standardize_tag(stripped)
        valid = langcodes.tag_is_valid(known)
    except LanguageTagError as exc:
        raise UnknownLanguage(tag) from exc
    if not valid:
        raise UnknownLanguage(tag)
    return known


def tag_matches(wanted: str, tag: str) -> bool:
    """Say whether a document tagged `tag` is wanted: 'de' takes 'de-AT', not the reverse.

    Both tags are canonical. This is basic filtering of RFC 4647, section 3.3.1.
    """
    return tag == wanted or tag.startswith(wanted + "-")


def split_langs(langs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the canonical tags wanted, and those unwanted (written with a leading '!').

    Raises UnknownLanguage, for an empty tag too.
    """
    wanted: list[str] = []
    unwanted: list[str] = []
    for tag in langs:
        if not isinstance(tag, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UnknownLanguage(repr(tag))
        (unwanted if tag.startswith("!") else wanted).append(canonical(tag.removeprefix("!")))
    return tuple(wanted), tuple(unwanted)


def language_name(tag: str) -> str:
    """Return the English name of a tag: 'pt-BR' is 'Portuguese (Brazil)'."""
    return langcodes.Language.get(tag).display_name("en")
