"""The words of the filter language, and errors that show their place in the text."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import NamedTuple

from xlingual_qdrant.errors import InvalidFilter
from xlingual_qdrant.filters import Scalar, parse_datetime

_BARE = r"[A-Za-z0-9_.\-]|[^\x00-\x7f\s]"
_TOKEN = re.compile(
    rf"""
    (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' )
    | (?P<datetime> [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}
        (?:T[0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?
        (?!{_BARE}|:) )
    | (?P<number> -?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)? (?!{_BARE}) )
    | (?P<word> (?![.\-])(?:{_BARE})+ )
    | (?P<symbol> [=!<>]= | [=<>(),] )
    | (?P<space> \s+ )
    """,
    re.VERBOSE | re.DOTALL,
)
"""01234 is a word, not a number: as a number it would not match the string."""


class Token(NamedTuple):
    """A word, number, string ... as written, and where it begins."""

    kind: str
    """A group of _TOKEN, or "end"."""
    text: str
    start: int


def tokens(text: str) -> list[Token]:
    """Return the tokens, the last one of the kind "end"; raises InvalidFilter."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None and text[position] in "'\"":
            raise problem(text, position, "the string that begins here has no end")
        if match is None:
            raise problem(text, position, f"a string with {text[position]!r} belongs in quotes")
        kind = str(match.lastgroup)
        for offset, character in enumerate(match[0] if kind == "word" else ""):
            # Typographic quotes are not quotes; taken for letters, they would match nothing.
            if not (character.isalnum() or character in "_-." or _joins(character)):
                raise problem(
                    text, position + offset, f"a string with {character!r} belongs in quotes"
                )
        if kind != "space":
            found.append(Token(kind, match[0], position))
        position = match.end()
    return [*found, Token("end", "", len(text))]


def value_of(text: str, token: Token) -> Scalar:
    """Return what a token means as a value; raises InvalidFilter."""
    match token.kind:
        case "quoted":
            try:
                return _unquoted(token.text)
            except ValueError as exc:
                what = "an escape that JSON does not have; for a backslash write two"
                raise problem(text, token.start, what) from exc
        case "number":
            whole = token.text.removeprefix("-").isdigit()
            if whole and len(token.text) > 4000:
                raise problem(text, token.start, "a number of thousands of digits")
            return int(token.text) if whole else float(token.text)
        case "datetime":
            moment = parse_datetime(token.text)
            if moment is None:
                raise problem(text, token.start, f"{token.text} is not a date of the calendar")
            return moment
        case _:
            constants = {"true": True, "false": False}
            return constants.get(token.text.lower(), token.text)


def _unquoted(literal: str) -> str:
    """Return the string that a literal in single or double quotes stands for."""

    def as_json(found: re.Match[str]) -> str:
        return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])

    inner = re.sub(r"\\.|\"", as_json, literal[1:-1], flags=re.DOTALL)
    return json.loads(f'"{inner}"', strict=False)


def problem(text: str, position: int, what: str) -> InvalidFilter:
    """Return an error that shows the text around a position, and a caret below it."""
    start = max(0, position - 40)
    lead, tail = "..." if start else "", "..." if position + 40 < len(text) else ""
    before = lead + text[start:position]
    line = before + text[position : position + 40] + tail
    shown = "".join(character if character.isprintable() else " " for character in line)
    return InvalidFilter(
        f"cannot read the filter: {what}\n    {shown}\n    {' ' * _columns(before)}^"
    )


def _joins(character: str) -> bool:
    """Say whether it belongs to a word without being a letter: accents, vowel signs, joiners."""
    return unicodedata.category(character).startswith("M") or character in "\u200c\u200d"


def _columns(text: str) -> int:
    """Return the width of a text on a terminal, so that the caret stands in its place."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(_joins(character) for character in text)
