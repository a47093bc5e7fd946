"""The language detectors that `benchmarks/detectors.py` compares, behind one signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

# The libraries below are not all installed where types are checked, and none is annotated.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false


class Answer(NamedTuple):
    """What a detector says of one text; `confidence` and `sure` are its own words."""

    lang: str
    confidence: float
    sure: bool


Detect = Callable[[str], Answer]


def load_adapter(min_confidence: float) -> Detect:
    """Return our adapter."""
    from xlingual_adapters.detectors.py3langid import Py3langidDetector

    detector = Py3langidDetector(min_confidence=min_confidence)

    def detect(text: str) -> Answer:
        [(lang, confidence)] = detector.detect([text])
        return Answer(lang, confidence, confidence >= 0.5)

    return detect


def load_py3langid() -> Detect:
    """Return bare py3langid."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def detect(text: str) -> Answer:
        lang, probability = identifier.classify(text)
        return Answer(lang, probability, probability >= 0.5)

    return detect


def load_lingua() -> Detect:
    """Return lingua, all languages, high accuracy."""
    from lingua import LanguageDetectorBuilder

    builder = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models()
    detector: Any = builder.build()

    def detect(text: str) -> Answer:
        best = detector.compute_language_confidence_values(text)[0]
        return Answer(best.language.iso_code_639_1.name.lower(), best.value, best.value >= 0.5)

    return detect


def load_cld3() -> Detect:
    """Return CLD3 with its own limit of 1,000 bytes, and no lower one."""
    import gcld3

    identifier: Any = gcld3.NNetLanguageIdentifier(0, 1000)

    def detect(text: str) -> Answer:
        found = identifier.FindLanguage(text=text)
        return Answer(found.language, found.probability, found.is_reliable)

    return detect


def load_cld2() -> Detect:
    """Return CLD2 asked for its best guess; its confidence is the share of the text."""
    import pycld2

    def detect(text: str) -> Answer:
        reliable, _, found = pycld2.detect(text, bestEffort=True)
        return Answer(found[0][1], found[0][2] / 100, reliable)

    return detect


@dataclass(frozen=True)
class Candidate:
    """A detector to compare. `licence` is that of code and model."""

    package: str
    licence: str
    load: Callable[[], Detect]


CANDIDATES: Mapping[str, Candidate] = {
    "default": Candidate("py3langid", "BSD-3-Clause", partial(load_adapter, 0.5)),
    "default, bold": Candidate("py3langid", "BSD-3-Clause", partial(load_adapter, 0.0)),
    "py3langid": Candidate("py3langid", "BSD-3-Clause", load_py3langid),
    "lingua": Candidate("lingua-language-detector", "Apache-2.0", load_lingua),
    "cld3": Candidate("cld3-py", "Apache-2.0", load_cld3),
    "cld2": Candidate("pycld2", "Apache-2.0", load_cld2),
}
