"""Language tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.errors import UnknownLanguage, UsageError
from xlingual_qdrant.languages import (
    canonical,
    language_name,
    split_langs,
    tag_matches,
)


@pytest.mark.parametrize(
    ("given_tag", "expected"),
    [
        ("de", "de"),
        ("DE", "de"),
        (" de\n", "de"),
        ("pt_br", "pt-BR"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("iw", "he"),
        ("in", "id"),
        ("eng", "en"),
        ("ger", "de"),
        ("sh", "sr-Latn"),
        ("und", "und"),
        ("mul", "mul"),
        ("zxx", "zxx"),
        ("x-klingon", "x-klingon"),
        ("en-x-own", "en-x-own"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
    ],
)
def test_a_tag_has_one_canonical_form(given_tag: str, expected: str) -> None:
    assert canonical(given_tag) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "tag",
    [
        "",
        " ",
        "german",
        "xx",
        "de-",
        "-de",
        "de--AT",
        "d",
        "de AT",
        "dé",
        "日本語",
        "de\0",
        "x-",
        "1",
        "*",
        "!de",
        "zz-ZZ",
        "de" * 200,
    ],
)
def test_what_is_not_registered_is_refused_and_nothing_is_guessed(tag: str) -> None:
    with pytest.raises(UnknownLanguage) as caught:
        canonical(tag)
    assert isinstance(caught.value, UsageError)
    assert "use one like 'de'" in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.text(max_size=12) | st.from_regex(r"[a-zA-Z]{1,8}([-_][a-zA-Z0-9]{1,8}){0,4}"))
def test_any_string_is_a_tag_or_refused(tag: str) -> None:
    try:
        known = canonical(tag)
    except UnknownLanguage:
        return
    assert canonical(known) == known


def test_a_language_takes_regions_and_scripts_and_not_the_reverse() -> None:
    assert tag_matches("de", "de")
    assert tag_matches("de", "de-AT")
    assert tag_matches("zh", "zh-Hant-TW")
    assert tag_matches("zh-Hant", "zh-Hant-TW")
    assert not tag_matches("de-AT", "de")
    assert not tag_matches("de", "den")
    assert not tag_matches("zh-TW", "zh-Hant-TW")


def test_unwanted_languages_have_an_exclamation_mark() -> None:
    assert split_langs(["de", "!iw", "pt_br"]) == (("de", "pt-BR"), ("he",))
    assert split_langs([]) == ((), ())
    for tag in ("", "!", "!!de"):
        with pytest.raises(UnknownLanguage):
            split_langs([tag])


def test_a_tag_has_a_name() -> None:
    assert language_name("pt-BR") == "Portuguese (Brazil)"
    assert language_name("zh-Hant") == "Chinese (Traditional)"
