"""The promises of a language detector as tests. Inherit them, and override one fixture.

class TestMyDetector(DetectorContract):
    @pytest.fixture
    def detector(self) -> LanguageDetector:
        return MyDetector()
"""

# ruff: noqa: D102 - a test needs no docstring, its name is the promise

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from xlingual_qdrant.languages import UNDETERMINED, canonical
from xlingual_qdrant.ports import LanguageDetector

SENTENCES: Mapping[str, str] = {
    "ar": "أين يمكنني العثور على رقم الطلب الخاص بي؟",
    "bg": "Къде мога да намеря номера на поръчката си?",
    "ca": "On puc trobar el número de la meva comanda?",
    "cs": "Kde najdu číslo své objednávky a kdy mi ji doručíte?",
    "da": "Hvor kan jeg finde mit ordrenummer, og hvornår bliver pakken leveret?",
    "de": "Wo finde ich die Nummer meiner Bestellung?",
    "el": "Πού μπορώ να βρω τον αριθμό της παραγγελίας μου;",
    "en": "Where can I find the number of my order?",
    "es": "¿Dónde puedo encontrar el número de mi pedido?",
    "fa": "شماره سفارش خود را از کجا می‌توانم پیدا کنم؟",
    "fi": "Mistä löydän tilaukseni numeron?",
    "fr": "Où puis-je trouver le numéro de ma commande ?",
    "he": "איפה אפשר למצוא את מספר ההזמנה שלי?",
    "hi": "मुझे अपने ऑर्डर का नंबर कहाँ मिलेगा?",
    "hu": "Hol találom meg a rendelésem számát?",
    "id": "Di mana saya bisa menemukan nomor pesanan saya?",
    "it": "Dove posso trovare il numero del mio ordine?",
    "ja": "注文番号はどこで確認できますか。",
    "ko": "주문 번호는 어디에서 찾을 수 있나요?",
    "nl": "Waar kan ik het nummer van mijn bestelling vinden?",
    "pl": "Gdzie mogę znaleźć numer swojego zamówienia?",
    "pt": "Onde posso encontrar o número da minha encomenda?",
    "ro": "Unde pot găsi numărul comenzii mele?",
    "ru": "Где я могу найти номер своего заказа?",
    "sv": "Var kan jag hitta mitt ordernummer, och när kommer paketet fram?",
    "sw": "Ninaweza kupata wapi nambari ya oda yangu?",
    "ta": "எனது ஆர்டர் எண்ணை எங்கே காணலாம்?",
    "th": "ฉันจะหาหมายเลขคำสั่งซื้อได้ที่ไหน",
    "tr": "Sipariş numaramı nerede bulabilirim?",
    "uk": "Де я можу знайти номер свого замовлення?",
    "ur": "مجھے اپنے آرڈر کا نمبر کہاں مل سکتا ہے؟",
    "vi": "Tôi có thể tìm số đơn hàng của mình ở đâu?",
    "zh": "我在哪里可以找到我的订单号？",
}
"""One plain sentence in each of 33 languages, by canonical tag."""

SHORT_WORDS: Mapping[str, tuple[str, ...]] = {
    "ja": ("の", "はい", "カメラ", "ありがとう"),
    "ko": ("네", "또", "안녕", "감사합니다"),
    "th": ("ผม", "สวัสดี"),
    "el": ("ναι", "γεια", "ευχαριστώ"),
    "he": ("כן", "שלום"),
    "ta": ("ஆம்", "வணக்கம்"),
    "ka": ("კი", "გამარჯობა"),
    "hy": ("այո", "Բարև"),
}
"""Words so short that only their script tells the language."""

NO_LANGUAGE: tuple[str, ...] = (
    "",
    " ",
    "\n\t\u3000",
    "12345",
    "3.14 + 2.72 = 5.86",
    "2024-01-31T12:00:00",
    "https://example.com/where/is/my/order?and=the&number=of#it",
    "where.is.my.order@example.com",
    "😀😀👍🏽",
    "!?… — •",
    "\u200b\ufeff",
    "x",
)
"""Texts in no language, or far too short to tell."""

HOSTILE: tuple[str, ...] = (
    "\x00",
    "a\x00b\x00c",
    "\x1b[31mred\x1b[0m\x07\x08",
    "\ud800",
    "half \udfff of a pair, and \ud83d alone",
    "\uffff\ufffe\ufdd0",
    "\U0010ffff",
    "\u202etxet siht daer\u202c",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a" * 50,
    "\ufdfa" * 3_000,
    "ﷺ مرحبا",
    "Ṱ̺̺̕o͞ ̷i̲̬͇̪͙n̝̗͕v̟̜̘̦͟o̶̙̰̠kè͚̮̺̪̹̱̤",
    "' OR 1=1; DROP TABLE documents; --",
    "<script>alert(document.cookie)</script>",
    "%s%s%s {0} ${HOME} $(id) `id`",
    "../../../../etc/passwd",
    "nan",
    "-Infinity",
    "a" * 100_000,
    "@" * 100_000,
    " " * 100_000 + "word",
    "https://" * 20_000,
    "a.b-c@" * 20_000,
)
"""Texts that break careless code."""


class DetectorContract:
    """Override `detector`; leave out of `languages` and `scripts` what yours cannot know."""

    languages: ClassVar[Mapping[str, str]] = SENTENCES
    scripts: ClassVar[Mapping[str, tuple[str, ...]]] = SHORT_WORDS

    @pytest.fixture
    def detector(self) -> LanguageDetector:
        """Return the detector under test, with its default settings."""
        raise NotImplementedError("override the fixture `detector`")

    def test_a_plain_sentence_gets_its_language(self, detector: LanguageDetector) -> None:
        found = detector.detect(list(self.languages.values()))
        assert [detection.lang for detection in found] == list(self.languages)

    def test_a_script_of_one_language_decides_even_a_word(self, detector: LanguageDetector) -> None:
        found = {
            lang: [detection.lang for detection in detector.detect(words)]
            for lang, words in self.scripts.items()
        }
        assert found == {lang: [lang] * len(words) for lang, words in self.scripts.items()}

    def test_a_text_in_no_language_is_undetermined(self, detector: LanguageDetector) -> None:
        found = zip(NO_LANGUAGE, detector.detect(NO_LANGUAGE), strict=True)
        assert [(text, tag) for text, (tag, _) in found if tag != UNDETERMINED] == []

    def test_every_text_gets_one_canonical_tag_and_a_confidence(
        self, detector: LanguageDetector
    ) -> None:
        texts = [*SENTENCES.values(), *NO_LANGUAGE, *HOSTILE]
        found = detector.detect(texts)
        assert len(found) == len(texts)
        for lang, confidence in found:
            assert canonical(lang) == lang
            assert 0.0 <= confidence <= 1.0

    def test_nothing_in_nothing_out(self, detector: LanguageDetector) -> None:
        assert detector.detect([]) == []

    def test_hostile_text_is_answered_not_raised(self, detector: LanguageDetector) -> None:
        for text in HOSTILE:
            assert len(detector.detect([text])) == 1

    def test_the_answer_does_not_depend_on_the_company(self, detector: LanguageDetector) -> None:
        texts = [*SENTENCES.values(), *NO_LANGUAGE, *HOSTILE]
        together = detector.detect(texts)
        alone = [detection for text in reversed(texts) for detection in detector.detect((text,))]
        assert alone[::-1] == together

    def test_threads_get_the_same_answers(self, detector: LanguageDetector) -> None:
        texts = list(SENTENCES.values()) * 3
        expected = detector.detect(texts)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(detector.detect, [texts] * 8)) == [expected] * 8

    def test_a_million_characters_cost_no_more_than_some_thousands(
        self, detector: LanguageDetector
    ) -> None:
        sentence = SENTENCES["en"] + " "
        assert _seconds(detector, sentence * 25_000) < 20 * _seconds(detector, sentence * 250)


def _seconds(detector: LanguageDetector, text: str) -> float:
    """Return the least of five measured times; the least is the one that noise spares."""
    times: list[float] = []
    for _ in range(5):
        start = time.perf_counter()
        detector.detect([text])
        times.append(time.perf_counter() - start)
    return min(times)
