"""How texts are spelled for comparison: one form for what people write in several ways."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

ACCENTS_OPTIONAL = frozenset(["ca", "el", "en", "es", "fr", "it", "nl", "pt", "ro"])
"""Languages whose words stay the same words when accents are left out, as on capitals."""

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3007\u3041-\u309f\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Characters of scripts that put no spaces between words; Katakana words stay whole."""

_SAME = str.maketrans(
    {
        "ı": "i",
        "\u0307": None,  # what case folding leaves of a dotted capital I
        "أ": "ا",
        "إ": "ا",
        "آ": "ا",
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ک": "ك",
        "ة": "ه",
        "ہ": "ه",
        "ھ": "ه",
        "ـ": None,
        "ё": "е",
        "\u200b": None,
        "\u200c": None,
        "\u200d": None,
        "\u00ad": None,
    }
)
_POINTS = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]")
"""Vowel points and signs of Hebrew and Arabic, which most texts leave out."""
_APOSTROPHES = str.maketrans(dict.fromkeys("ʼ‘’‛`´", "'"))

_CONTRACTED = (
    (re.compile(r"\bcan'?t\b"), "can not"),
    (re.compile(r"\bwon'?t\b"), "will not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\b(is|are|was|were|do|does|did|has|have|had|must|need|could|would|should)n'?t\b"),
     r"\1 not"),
    (re.compile(r"\b(\w+)'(m|re|ve|ll|d|s)\b"), r"\1 \2"),
)  # fmt: skip
_ELIDING = frozenset(("fr", "it", "ca"))

_LETTERS = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def folded(text: str, lang: str) -> str:
    """Return a text in one case, width and composition, without marks that are left out at will."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_SAME)
    plain = _POINTS.sub("", plain).translate(_APOSTROPHES)
    if lang in ACCENTS_OPTIONAL and not plain.isascii():
        apart = unicodedata.normalize("NFD", plain)
        plain = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    if lang == "en":
        for short, long in _CONTRACTED:
            plain = short.sub(long, plain)
    return plain


def tokens(plain: str, lang: str) -> list[str]:
    """Return the words of a folded text; in scripts without spaces, its characters.

    A character is taken with the marks that belong to it, as a vowel sign of Thai.
    """
    apart = plain.replace("'", " ") if lang in _ELIDING else plain
    found: list[str] = []
    for run in _runs(apart):
        if UNSPACED.search(run):
            found += characters(run)
        else:
            found.append(run.replace("'", ""))
    return found


def _runs(plain: str) -> list[str]:
    # `\w` leaves out the vowel signs of Indic scripts, which are marks and not letters.
    if plain.isascii():
        return _LETTERS.findall(plain)
    made = "".join(c if c == "'" or _belongs_to_word(c) else " " for c in plain)
    return [run for part in made.split() if (run := part.strip("'"))]


@lru_cache(maxsize=65536)
def _belongs_to_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def characters(run: str) -> list[str]:
    """Return the characters of a run, each with its marks; other scripts' letters stay words."""
    found: list[str] = []
    for character in run:
        marks = unicodedata.category(character)[0] == "M"
        if found and (marks or not (_alone(character) or _alone(found[-1][0]))):
            found[-1] += character
        else:
            found.append(character)
    return found


@lru_cache(maxsize=65536)
def _alone(character: str) -> bool:
    return UNSPACED.match(character) is not None
