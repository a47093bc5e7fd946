"""The default language detector: py3langid, a naive Bayes model over byte n-grams.

py3langid (code and model: BSD-3-Clause) knows 139 languages, needs NumPy alone and takes
5 MB on disk, 130 MB of memory once loaded. A language that the model does not know is
taken for its nearest neighbour that it does know: Tibetan comes out as Dzongkha (`dz`).
`benchmarks/detectors.py` compares it with others.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol, cast
from unicodedata import normalize

from py3langid import langid as _langid
from pydantic import BaseModel, ConfigDict, Field

from xlingual_qdrant.errors import SettingsError, UnknownName
from xlingual_qdrant.languages import UNDETERMINED, Detection, canonical
from xlingual_qdrant.ports import DetectorPlugin

EXAMINED_CHARACTERS = 2_000
"""Characters of a text that are looked at; more tell nothing new about its language."""

TAG_OF_LABEL = {
    "no": "nb",  # the model was taught Bokmål under this label; Nynorsk has its own, `nn`
    # Varieties that a short text cannot tell apart: the macrolanguage of ISO 639-3 is right
    # for each, and a filter for `zh` must not lose Mandarin that looks like Cantonese.
    "wuu": "zh",
    "yue": "zh",
    "ary": "ar",
    "arz": "ar",
    "bcl": "bik",
    "fuv": "ff",
    "gom": "kok",
    "gug": "gn",
    "ltg": "lv",
    "sdh": "ku",
    "uzs": "uz",
    # Ancient Greek and Hebrew share the short words of the modern languages.
    "grc": "el",
    "hbo": "he",
    "kik": "ki",
    "zxx": UNDETERMINED,  # the model's class for numbers, markup and identifiers
}
"""Labels of the model whose canonical tag is another; probabilities of one tag are added."""

# ASCII only, because Chinese and Japanese text follows an address without a space.
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[!-~]+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII
)

# Presentation forms of Arabic, full-width Latin, half-width kana: the model never saw them.
# Only these are normalised: NFKC would tear apart a vowel sign that Thai and Lao need.
_PRESENTATION_FORMS = re.compile(r"[\u3000\ufb50-\ufdff\ufe70-\ufefc\uff01-\uffdc]+")

# One syllable of these scripts names the language, but the model is sure of only 73 % of
# single kana and 35 % of single hangul.
_SYLLABLES = {
    "ja": re.compile(r"[\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff]+"),
    "ko": re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+"),
}
_SYLLABLES_CONFIDENCE = 0.95  # not 1: Ainu and Okinawan are written in kana, too


_UNSURE = Detection(UNDETERMINED, 0.0)


class Py3langidDetector:
    """Detects languages with py3langid; implements the port `LanguageDetector`.

    min_confidence: 0 to 1. A tag below it is replaced by `und`. The default, 0.5, gives
    a tag only if it is likelier than all other languages together. The model is modest
    about short texts: at 0.5 half of the texts of up to 10 characters and a quarter of
    those of up to 20 stay `und`, and of the tags given 99 % are right; at 0.3 nearly all
    texts get a tag, of which 98 % are right (`benchmarks/results/detectors.txt`).

    languages: the tags to choose among, by default all that the model knows; `no` means
    `nb`, as in TAG_OF_LABEL. The world is then closed: a text in a language left out is
    taken for one of these, or for `und`.

    The model is read at the first use, or by the constructor if `languages` is given;
    all detectors of a process share it. A detector can be used from many threads.

    Raises SettingsError when min_confidence is out of range or `languages` is empty,
    UnknownLanguage for a malformed tag, UnknownName for one that the model does not know.
    """

    def __init__(
        self, *, min_confidence: float = 0.5, languages: Sequence[str] | None = None
    ) -> None:
        if not 0.0 <= min_confidence <= 1.0:  # NaN is refused as well
            raise SettingsError(f"min_confidence is {min_confidence}; give a number from 0 to 1")
        self._min_confidence = min_confidence
        self._languages = None if languages is None else _known(languages)
        self._identifier: _Identifier | None = None

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """Return one detection per text, in order.

        A tag is canonical and its confidence is the model's probability, 0 to 1. A text
        without letters, or too short or too mixed to be sure of, is `und` with confidence
        0. Looks at the first 2,000 characters of a text. Takes any str, never raises.
        """
        identifier = self._identifier
        if identifier is None:  # two threads may both get here; they make equal ones
            identifier = self._identifier = _restricted(self._languages)
        return [self._detect(identifier, text) for text in texts]

    def _detect(self, identifier: _Identifier, text: str) -> Detection:
        prose = _prose(text)
        if not any(map(str.isalpha, prose)):
            return _UNSURE
        lang, probability = identifier.classify(prose)
        if lang != UNDETERMINED and probability >= self._min_confidence:
            return Detection(lang, min(1.0, probability))  # a sum of floats may pass 1
        return self._by_syllables(prose)

    def _by_syllables(self, prose: str) -> Detection:
        letters = "".join(filter(str.isalpha, prose))
        for lang, syllables in _SYLLABLES.items():
            if syllables.fullmatch(letters):
                wanted = self._languages is None or lang in self._languages
                sure = self._min_confidence <= _SYLLABLES_CONFIDENCE
                return Detection(lang, _SYLLABLES_CONFIDENCE) if wanted and sure else _UNSURE
        return _UNSURE


def _prose(text: str) -> str:
    """Return what is examined of a text: its beginning, no addresses, ordinary letters."""
    beginning = text.lstrip()[:EXAMINED_CHARACTERS]
    ordinary = _PRESENTATION_FORMS.sub(lambda run: normalize("NFKC", run[0]), beginning)
    return _ADDRESS.sub(" ", ordinary)


def _known(languages: Sequence[str]) -> frozenset[str]:
    """Return the canonical tags to choose among; raises as the constructor says."""
    tags = map(canonical, languages)
    wanted = frozenset(TAG_OF_LABEL.get(tag, tag) for tag in tags)
    if not wanted:
        raise SettingsError("languages is empty; name at least one, or leave it out for all")
    known = frozenset(_model().labels) - {UNDETERMINED}
    for unknown in sorted(wanted - known):
        raise UnknownName("language of the detector 'py3langid'", unknown, sorted(known))
    return wanted


class _Identifier(Protocol):
    """What is used here of py3langid's LanguageIdentifier, which has no annotations.

    The arrays are opaque: they are only handed from one identifier to another.
    """

    nb_ptc: Any
    nb_pc: Any
    nb_classes: list[str]
    tk_nextmove: Any
    tk_output: Any
    tk_row: Any

    @property
    def labels(self) -> list[str]: ...
    def set_languages(self, langs: Sequence[str], /) -> None: ...
    def classify(self, text: str, /) -> tuple[str, float]: ...


_LIBRARY = cast(Any, _langid.LanguageIdentifier)  # typed by the protocol above
_LOADING = threading.Lock()


def _model() -> _Identifier:
    """Return the one model of this process, which nobody may change, with canonical labels."""
    with _LOADING:  # or the first calls of several threads would each read 130 MB
        return _read_model()


@cache
def _read_model() -> _Identifier:
    return _relabelled(_LIBRARY.from_model_file(_langid.MODEL_FILE))


def _relabelled(model: _Identifier) -> _Identifier:
    """Return an identifier with canonical labels that shares the arrays of `model`.

    py3langid adds the probabilities of classes with one label; it has two for Serbian, one
    a script. So classes become one language by getting its tag.
    """
    labels = [TAG_OF_LABEL.get(label, label) for label in model.nb_classes]
    return _LIBRARY(
        model.nb_ptc,
        model.nb_pc,
        labels,
        model.tk_nextmove,
        model.tk_output,
        norm_probs=True,
        tk_row=model.tk_row,
    )


def _restricted(languages: frozenset[str] | None) -> _Identifier:
    if languages is None:
        return _model()
    identifier = _relabelled(_model())
    identifier.set_languages([*languages, UNDETERMINED])  # numbers and code stay `und`
    return identifier


class Py3langidSettings(BaseModel):
    """Settings of the detector `py3langid`; Py3langidDetector says what they mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_confidence: float = Field(default=0.5, ge=0.0, le=1.0)
    languages: tuple[str, ...] | None = None


def _open(settings: Py3langidSettings) -> Py3langidDetector:
    return Py3langidDetector(min_confidence=settings.min_confidence, languages=settings.languages)


plugin = DetectorPlugin(
    settings=Py3langidSettings,
    open=_open,
    summary="139 languages, naive Bayes over byte n-grams, offline; the default",
)
