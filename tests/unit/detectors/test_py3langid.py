"""The default detector keeps the contract of all detectors, and its own promises."""

from __future__ import annotations

import subprocess
import sys
import unicodedata

import pytest
from xlingual_adapters.detectors.py3langid import Py3langidDetector, Py3langidSettings, plugin

from xlingual_qdrant.errors import SettingsError, UnknownLanguage, UnknownName
from xlingual_qdrant.languages import Detection
from xlingual_qdrant.ports import LanguageDetector
from xlingual_qdrant.testing.detectors import SENTENCES, DetectorContract

NORWEGIAN = "Hvor kan jeg finne ordrenummeret mitt, og når kommer pakken frem hit?"
CANTONESE = "我哋喺邊度可以搵到訂單號碼呀？"
EGYPTIAN = "أنا عايز أعرف رقم الطلب بتاعي فين دلوقتي"
TRADITIONAL_CHINESE = "我們在哪裡可以找到我的訂單號碼？"


class TestPy3langidDetector(DetectorContract):
    @pytest.fixture
    def detector(self) -> LanguageDetector:
        return Py3langidDetector()


def langs(*texts: str, detector: LanguageDetector | None = None) -> list[str]:
    detector = detector or Py3langidDetector()
    return [detection.lang for detection in detector.detect(texts)]


def test_norwegian_is_bokmal() -> None:
    assert langs(NORWEGIAN) == ["nb"]


def test_varieties_of_chinese_and_arabic_get_the_tag_of_the_whole() -> None:
    assert langs(CANTONESE, TRADITIONAL_CHINESE, EGYPTIAN) == ["zh", "zh", "ar"]


def test_upper_case_does_not_change_the_language() -> None:
    assert langs(SENTENCES["fr"].upper(), SENTENCES["el"].upper()) == ["fr", "el"]


def test_decomposed_letters_do_not_change_the_language() -> None:
    decomposed = [unicodedata.normalize("NFD", SENTENCES[lang]) for lang in ("vi", "ko", "fr")]
    assert langs(*decomposed) == ["vi", "ko", "fr"]


def test_presentation_forms_are_read_as_the_letters_they_stand_for() -> None:
    full_width = "Ｗｈｅｒｅ　ｉｓ　ｍｙ　ｏｒｄｅｒ？"
    assert langs("ﻣﺮﺣﺒﺎ ﺑﺎﻟﻌﺎﻟﻢ", "ｺﾝﾆﾁﾊ", full_width) == ["ar", "ja", "en"]


def test_addresses_do_not_count_as_words() -> None:
    address = "https://example.com/where/can/i/find/the/number/of/my/order"
    assert langs(f"Wo finde ich die Nummer? {address} a.person@example.com") == ["de"]
    assert langs(f"詳細は{address}をご覧ください。") == ["ja"]


def test_a_text_far_behind_blank_space_is_found() -> None:
    assert langs(" \n" * 50_000 + SENTENCES["pl"]) == ["pl"]


def test_undetermined_has_no_confidence() -> None:
    assert Py3langidDetector().detect(["12345", "ok"]) == [Detection("und", 0.0)] * 2


def test_a_bold_detector_answers_where_the_default_does_not() -> None:
    text = "my parcel is missing"
    assert langs(text) == ["und"]
    assert langs(text, detector=Py3langidDetector(min_confidence=0.1)) == ["en"]


def test_the_strictest_detector_does_not_go_by_the_script_alone() -> None:
    assert langs("また", "ま", detector=Py3langidDetector(min_confidence=0.999))[1] == "und"


def test_confidence_is_never_below_the_threshold() -> None:
    texts = [*SENTENCES.values(), "ま", "ok", "Merci", "buenos días"]
    for threshold in (0.0, 0.3, 0.5, 0.9):
        for lang, confidence in Py3langidDetector(min_confidence=threshold).detect(texts):
            assert lang == "und" or confidence >= threshold


def test_a_restricted_detector_chooses_among_its_languages_only() -> None:
    detector = Py3langidDetector(languages=["de", "en", "no"])
    found = langs(*SENTENCES.values(), NORWEGIAN, "ま", detector=detector)
    assert set(found) <= {"de", "en", "nb", "und"}
    assert langs("my parcel is missing", NORWEGIAN, detector=detector) == ["en", "nb"]
    assert langs("https://example.com", "550e8400-e29b-41d4-a716", detector=detector) == [
        "und",
        "und",
    ]


def test_a_restriction_does_not_reach_other_detectors() -> None:
    Py3langidDetector(languages=["de"]).detect(["Hallo"])
    assert langs(SENTENCES["ja"]) == ["ja"]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_an_impossible_threshold_is_refused(confidence: float) -> None:
    with pytest.raises(SettingsError, match=r"min_confidence is .*from 0 to 1"):
        Py3langidDetector(min_confidence=confidence)


def test_impossible_languages_are_refused() -> None:
    with pytest.raises(SettingsError, match="languages is empty"):
        Py3langidDetector(languages=[])
    with pytest.raises(UnknownLanguage):
        Py3langidDetector(languages=["not a tag"])
    with pytest.raises(UnknownName, match=r"'tlh'.*There are: .*\bde\b"):
        Py3langidDetector(languages=["de", "tlh"])


def test_the_plugin_opens_what_the_settings_say() -> None:
    bold = plugin.open(plugin.settings.model_validate({"min_confidence": 0.1}))
    german = plugin.open(plugin.settings.model_validate({"languages": ["de"]}))
    assert langs("my parcel is missing", detector=bold) == ["en"]
    assert langs(SENTENCES["nl"], detector=german) == ["de"]
    assert plugin.open(Py3langidSettings()).detect(["ok"]) == [Detection("und", 0.0)]


def test_import_and_construction_do_not_read_the_model() -> None:
    code = (
        "import builtins, lzma\n"
        "opened = []\n"
        "real = lzma.open\n"
        "lzma.open = lambda *args, **options: opened.append(1) or real(*args, **options)\n"
        "from xlingual_adapters.detectors.py3langid import Py3langidDetector\n"
        "detector = Py3langidDetector()\n"
        "before = len(opened)\n"
        "detector.detect(['Guten Morgen'])\n"
        "Py3langidDetector().detect(['Guten Morgen'])\n"
        "print(before, len(opened))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "1"]
