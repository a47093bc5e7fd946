"""Damaged texts are recognised, explained and mended, and sound ones are left alone."""

from __future__ import annotations

import sys

import pytest

from xlingual_qdrant.errors import InvalidDocument, MissingExtra
from xlingual_qdrant.hygiene import ailment, ailments, composed, mended
from xlingual_qdrant.schema import PROBES
from xlingual_qdrant.testing.corpus import ODD_STRINGS
from xlingual_qdrant.validation import check_text

SOUND = [
    *PROBES,
    "« C'est déjà là », dit-il, « à présent »…",
    "Der Buchstabe „Ä“ und „Ü“ – so ist es",
    "Ünïcödé ÀÉÎÕÜ àéîõü ß ÿ Ÿ",
    "C:\\Users\\anna\\notes and \\name",
    "AT&T & Co. &c. R&D; a &lt; b &amp; c",
    "¿Dónde está? ¡Allí! 20 °C ± 2 · £5 §3",
    "50€ – 100€… “quoted” ‘too’ • list",
    "Ça coûte 5 € ; c’est à « moi »",
]
BROKEN = [
    "Où est la gare ?",
    "Wo ist der nächste Bahnhof?",
    "今日は雨が降っています。",
    *PROBES[3:],
]


def as_mojibake(text: str, encoding: str = "latin-1") -> str:
    return text.encode().decode(encoding)


@pytest.mark.parametrize("text", SOUND)
def test_sound_texts_have_no_ailment(text: str) -> None:
    assert ailment(text) is None
    assert mended(text) == text


@pytest.mark.parametrize("text", BROKEN)
def test_text_decoded_with_the_wrong_encoding_is_recognised_and_mended(text: str) -> None:
    assert ailment(as_mojibake(text)) == "mojibake"
    assert mended(as_mojibake(text)) == text


@pytest.mark.parametrize(
    ("broken", "sound"),
    [
        (r"caf\u00e9", "café"),
        (r"\u732b\u304c", "猫が"),
        (r"\ud83d\ude00 hi", "😀 hi"),
        (r"b'caf\xc3\xa9'", "café"),
        ("caf&eacute;", "café"),
        ("caf&#233; &#x732b;", "café 猫"),
        (r"\U0001F600", "😀"),
    ],
)
def test_characters_that_came_as_codes_are_recognised_and_mended(broken: str, sound: str) -> None:
    assert ailment(broken) == "escaped"
    assert mended(broken) == sound


@pytest.mark.parametrize("damage", ["cafÃ©", r"caf\u00e9"])
def test_what_is_not_damaged_stays_as_it_is(damage: str) -> None:
    sound = "“Hallo”, ＡＢＣ, ﬁn,\r\n\x1b[1mcafe\u0301 "
    assert mended(sound + damage) == f"{sound}café"


def test_a_code_that_makes_no_character_stays_as_it_is() -> None:
    assert mended(r"half \ud83d and \xe9 alone") == r"half \ud83d and \xe9 alone"


def test_any_string_is_looked_at_without_an_error() -> None:
    for text in ODD_STRINGS:
        ailment(text)
        mended(text)


def test_ailments_are_counted() -> None:
    assert ailments([*SOUND, "cafÃ©", r"\u00e9"]) == {"mojibake": 1, "escaped": 1}


def test_mending_without_ftfy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(MissingExtra, match=r"pip install 'xlingual-qdrant\[repair\]'"):
        mended("cafÃ©")


def test_letters_and_their_accents_are_composed() -> None:
    assert composed(["cafe\u0301", "ASCII", "ｶﾞ"]) == ["café", "ASCII", "ｶﾞ"]


def test_bytes_are_told_from_text_with_the_way_out() -> None:
    with pytest.raises(InvalidDocument, match=r"decode them: text\.decode\('utf-8'\)"):
        check_text("猫".encode())
