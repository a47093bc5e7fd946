"""What the guards refuse, and what they let pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.errors import UnknownName
from xlingual_qdrant.queries.duplicates.guards import GUARDS, checked_guards, profile_of, refusal
from xlingual_qdrant.queries.duplicates.guards.lexicon import lexicon, tables

LANGS = sorted(tag for tag in tables().languages)
SENTENCES = {
    "ar": "وصل القطار إلى المدينة في المساء مع ركاب كثيرين",
    "cs": "Vlak přijel do města večer s mnoha cestujícími",
    "de": "Der Zug erreichte die Stadt am Abend mit vielen Reisenden",
    "en": "The train reached the town in the evening with many travellers",
    "fi": "Juna saapui kaupunkiin illalla monien matkustajien kanssa",
    "hi": "रेलगाड़ी शाम को बहुत यात्रियों के साथ शहर पहुँची",
    "ja": "電車は夕方に多くの乗客と町に着きました",
    "ko": "기차는 저녁에 많은 승객과 함께 도시에 도착했습니다",
    "ru": "Поезд прибыл в город вечером со многими пассажирами",
    "ta": "ரயில் மாலையில் பல பயணிகளுடன் நகரத்தை அடைந்தது",
    "th": "รถไฟมาถึงเมืองในตอนเย็นพร้อมผู้โดยสารจำนวนมาก",
    "tr": "Tren akşam birçok yolcuyla şehre ulaştı",
    "vi": "Chuyến tàu đến thành phố vào buổi tối với nhiều hành khách",
    "zh": "火车傍晚载着许多乘客到达了城市",
}


def guard(left: str, right: str, lang: str, other: str | None = None) -> str | None:
    """Return the guard that refuses; both orders must agree."""
    one, two = profile_of(left, lang), profile_of(right, other or lang)
    found, turned = refusal(one, two), refusal(two, one)
    assert (found and found.turned()) == turned
    return found.guard if found else None


@pytest.mark.parametrize(
    ("lang", "left", "right"),
    [
        ("en", "It costs 1,234 dollars", "it costs 1234 dollars"),
        ("de", "Es kostet 1.234,50 Euro", "Es kostet 1234,5 Euro"),
        ("fr", "Il y avait 10 000 soldats", "Il y avait 10\u202f000 soldats"),
        ("hi", "मेरे पास 12,34,567 रुपये हैं", "मेरे पास १२३४५६७ रुपये हैं"),
        ("ar", "وصل ١٢٣٤ شخصا", "وصل 1234 شخصا"),
        ("zh", "那里有三百人", "那里有300人"),
        ("ja", "参加者は3万人です", "参加者は30000人です"),
        ("en", "We met on 2024-03-05", "We met on 5 March 2024"),
        ("en", "It begins at 3 pm", "It begins at 15:00"),
        ("en", "I do not know him", "I don't know him"),
        ("fr", "Il n'est pas venu", "Il est pas venu"),
        ("tr", "İSTANBUL'A GİTTİ", "İstanbul'a gitti"),
        ("de", "Die Rechnung ist falsch", "AW: Die Rechnung ist eben flasch"),
        ("zh", "我喜欢法国菜", "回复：我非常喜欢法国菜。"),
    ],
)  # fmt: skip
def test_the_same_written_otherwise_passes(lang, left, right):
    assert guard(left, right, lang) is None


@pytest.mark.parametrize(
    ("lang", "left", "right", "refuses"),
    [
        ("en", "The invoice of 3 May", "The invoice of 4 May", "numbers"),
        ("en", "The invoice of 3 May", "The invoice of 3 June", "numbers"),
        ("de", "Termin am 3.5.2024", "Termin am 5.3.2024", "numbers"),
        ("en", "Born in 1990", "Born in 1991", "numbers"),
        ("en", "It was -5 degrees", "It was 5 degrees", "numbers"),
        ("en", "It begins at 3 pm", "It begins at 3 am", "numbers"),
        ("en", "iPhone 12", "iPhone 12 Pro", "words"),
        ("en", "Tom saw Mary", "Tom saw Anna", "words"),
        ("en", "Tom saw Mary", "Mary saw Tom", "words"),
        ("en", "I was in Iran", "I was in Iraq", "places"),
        ("en", "It works", "It doesn't work", "negation"),
        ("tr", "Bugün geliyor", "Bugün gelmiyor", "negation"),
        ("ja", "明日行きます", "明日行きません", "negation"),
        ("ru", "Он приехал домой", "Он не приехал домой", "negation"),
        ("ar", "هو يعرف ذلك", "هو لا يعرف ذلك", "negation"),
        ("hi", "वह घर गया", "वह घर नहीं गया", "negation"),
        ("zh", "他喜欢我", "他不喜欢我", "negation"),
        ("ko", "그는 학교에 갔다", "그는 학교에 안 갔다", "negation"),
        ("fa", "او می‌رود", "او نمی‌رود", "negation"),
        ("zh", "我去过法国", "我去过德国", "places"),
    ],
)
def test_another_fact_is_refused(lang, left, right, refuses):
    assert guard(left, right, lang) == refuses


@pytest.mark.parametrize(
    ("left", "lang", "right", "other", "refuses"),
    [
        ("Er ist 1990 geboren", "de", "He was born in 1991", "en", "numbers"),
        ("20 Millionen Menschen", "de", "2000万人", "zh", None),
        ("Es waren drei", "de", "There were 3 of them", "en", None),
        ("Olin Ranskassa", "fi", "Я был в Германии", "ru", "places"),
        ("Olin Ranskassa", "fi", "Я был во Франции", "ru", None),
        ("Ich komme nicht", "de", "I come", "en", None),
    ],
)
def test_across_languages_only_contradictions_are_refused(left, lang, right, other, refuses):
    assert guard(left, right, lang, other) == refuses


@pytest.mark.parametrize(("lang", "text"), SENTENCES.items())
def test_harmless_noise_passes_in_every_script(lang, text):
    filler = max(lexicon(lang).filler, key=len)
    space = "" if lang in ("ja", "th", "zh") else " "
    for noisy in (
        text.upper(),
        f"  {text}!!",
        f"Re: {text}",
        f"{text}…",
        f"{filler}{space}{text}",
        text.replace(" ", "  "),
    ):
        assert guard(text, noisy, lang) is None, noisy


def test_there_are_tables_for_the_languages_of_the_bundled_model():
    assert len(LANGS) == 34


@pytest.mark.parametrize("lang", LANGS)
def test_each_language_has_its_words(lang):
    known = lexicon(lang)
    assert known.known
    assert len(known.function) > 20
    assert len(known.filler) > 8
    assert known.negation or known.negation_parts
    if known.months:
        assert set(known.months.values()) == set(range(1, 13))


def test_a_guard_that_is_left_out_is_not_asked():
    one, other = profile_of("Room 12 is free", "en"), profile_of("Room 13 is free", "en")
    assert refusal(one, other, checked_guards(["words", "negation"])) is None
    assert refusal(one, other, ()) is None
    found = refusal(one, other, checked_guards(["numbers"]))
    assert str(found) == "numbers: '12' against '13'"


def test_an_unknown_guard_is_named_with_those_there_are():
    with pytest.raises(UnknownName, match="numbers"):
        checked_guards(["number"])


def test_a_language_without_a_table_is_compared_by_numbers_and_words():
    assert guard("Gbogbo ile 12", "gbogbo ile 12!", "yo") is None
    assert guard("Gbogbo ile 12", "Gbogbo ile 13", "yo") == "numbers"
    assert guard("Gbogbo ile dara", "Gbogbo oja dara", "und") == "words"


TEXTS = st.text(
    alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=40
) | st.sampled_from([*SENTENCES.values()])


@given(text=TEXTS, lang=st.sampled_from([*LANGS, "und"]))
def test_a_text_agrees_with_itself(text, lang):
    assert guard(text, text, lang) is None


@given(left=TEXTS, right=TEXTS, lang=st.sampled_from([*LANGS, "und"]), other=st.sampled_from(LANGS))
def test_the_order_of_two_texts_does_not_matter(left, right, lang, other):
    for guards in (GUARDS, *((each,) for each in GUARDS)):
        for second in (lang, other):
            one, two = profile_of(left, lang), profile_of(right, second)
            assert (refusal(one, two, guards) is None) == (refusal(two, one, guards) is None)


@given(number=st.integers(0, 10**9), lang=st.sampled_from(LANGS))
def test_a_number_is_known_with_and_without_its_groups(number, lang):
    for grouped in (
        f"{number:,}",
        f"{number:,}".replace(",", "."),
        f"{number:,}".replace(",", " "),
    ):
        assert guard(f"x {number} y", f"x {grouped} y", lang) is None
    assert guard(f"x {number} y", f"x {number + 1} y", lang) == "numbers"
