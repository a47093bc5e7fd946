"""What the documents of a collection tell of the search that fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.guide.texts import Pair, sample
from xlingual_qdrant.queries.evaluation import Diagnosis, diagnose
from xlingual_qdrant.queries.evaluation.diagnosis import (
    advised,
    beyond_chance,
    chance_between,
    sampled_ids,
)

STORES = {
    "memory": {"kind": "memory"},
    "faiss": {"kind": "faiss", "path": "faiss"},
    "qdrant": {"kind": "qdrant", "location": ":memory:"},
}
PAIRS = [pair for pair in sample(60) if pair.lang == "de"]


def diagnosed(tmp_path: Path, documents: list[tuple[str, str]], store: str = "memory") -> Diagnosis:
    described = dict(STORES[store])
    if "path" in described:
        described["path"] = str(tmp_path / described["path"])
    settings = {"store": "it", "stores": {"it": described}}
    with Collection.open("documents", settings=settings) as collection:
        rows = enumerate(documents)
        collection.add([{"id": f"{n}", "text": text, "lang": lang} for n, (text, lang) in rows])
        return diagnose(collection)


def both(pairs: list[Pair]) -> list[tuple[str, str]]:
    return [each for pair in pairs for each in ((pair.text, "de"), (pair.translation, "en"))]


def either(pairs: list[Pair]) -> list[tuple[str, str]]:
    half = len(pairs) // 2
    german = [(pair.text, "de-AT") for pair in pairs[:half]]
    return german + [(pair.translation, "en") for pair in pairs[half:]]


def test_translations_are_seen(tmp_path: Path) -> None:
    found = diagnosed(tmp_path, both(PAIRS))
    assert found.advice == "bridge"
    assert found.translated > 0.8
    assert found.pairs["de", "en"] > 0.8
    assert found.languages == {"de": len(PAIRS), "en": len(PAIRS)}
    words = "\n".join(found.in_words())
    assert f"Documents: {2 * len(PAIRS)} (de {len(PAIRS)}, en {len(PAIRS)})." in words
    assert "--rescore bridge" in words
    assert found.to_json()["pairs"].keys() == {"de-en", "en-de"}


def test_every_store_tells_the_same(tmp_path: Path) -> None:
    told = [diagnosed(tmp_path, both(PAIRS[:15]), store).to_json() for store in STORES]
    assert told[0] == told[1] == told[2]


def test_texts_without_translations_are_not_taken_for_some(tmp_path: Path) -> None:
    found = diagnosed(tmp_path, either(PAIRS))
    assert found.translated < 0.3
    assert found.advice in ("plain", "neutral", "balanced")
    assert found.languages == {"de": 30, "en": 30}


def test_the_own_language_is_measured_without_the_document_itself(tmp_path: Path) -> None:
    found = diagnosed(tmp_path, either(PAIRS))
    assert found.fair_share == pytest.approx(29 / 59)
    assert 0 < found.own_share < 1
    assert found.excess == found.own_share - found.fair_share


def test_one_language_has_nothing_to_correct(tmp_path: Path) -> None:
    found = diagnosed(tmp_path, [(pair.text, "de") for pair in PAIRS] + [("Hello there", "en")])
    assert (found.advice, found.sampled) == ("plain", 0)
    assert "Fewer than two languages" in "\n".join(found.in_words())


def test_the_sample_is_the_same_each_time_and_shared_among_languages(tmp_path: Path) -> None:
    samples = []
    for order in (1, -1):
        with Collection.open("documents", store="memory") as collection:
            rows = list(enumerate(both(PAIRS)))[::order]
            collection.add([{"id": f"{n}", "text": t, "lang": lang} for n, (t, lang) in rows])
            samples.append(sampled_ids(collection, ["de", "en"], 10))
    assert samples[0] == samples[1]
    assert [len(ids) for ids in samples[0].values()] == [10, 10]


@pytest.mark.parametrize(
    ("translated", "excess", "advice"),
    [
        (0.9, 0.3, "bridge"),
        (0.5, 0.0, "bridge"),
        (0.34, 0.2, "bridge"),
        (0.33, 0.2, "balanced"),
        (0.2, 0.2, "balanced"),
        (0.2, 0.05, "neutral"),
        (0.2, -0.1, "plain"),
    ],
)
def test_advice_follows_the_numbers(translated: float, excess: float, advice: str) -> None:
    assert advised(translated, excess) == advice


def test_no_sentence_contradicts_the_share_of_translations(tmp_path: Path) -> None:
    half = [*both(PAIRS[:30]), *either(PAIRS[30:])]
    found = diagnosed(tmp_path, half)
    assert 1 / 3 < found.translated < 0.9
    assert found.advice == "bridge"
    assert "Most" not in "\n".join(found.in_words())
    words = replace(found, advice="neutral").in_words()
    assert "no translation" not in "\n".join(words)


def test_a_small_language_has_no_translations_by_chance(tmp_path: Path) -> None:
    texts = sample(60)
    few = {"ar": 15, "fr": 60, "es": 30}
    rows = [
        (pair.text, lang)
        for lang, count in few.items()
        for pair in [pair for pair in texts if pair.lang == lang][:count]
    ]
    known = {pair.translation for pair in texts if pair.lang in few}
    others = {pair.translation: "en" for pair in texts if pair.translation not in known}
    found = diagnosed(tmp_path, rows + list(others.items())[:300])
    assert found.pairs
    assert max(found.pairs.values()) < 0.1
    assert ("en", "ar") in found.pairs
    assert ("ar", "en") not in found.pairs


def test_chance_grows_with_the_size_of_the_other_language() -> None:
    assert chance_between((0.4, 0.6), (100, 100)) == pytest.approx(0.5)
    assert chance_between((0.4, 0.6), (100, 300)) == pytest.approx(0.75)
    assert chance_between((0.4, 0.6), (300, 100)) == pytest.approx(0.25)
    assert chance_between((0.0, 0.0), (10, 100)) == 0
    assert chance_between((1.0, 1.0), (10, 100)) == 1


def test_what_happens_by_chance_is_taken_off() -> None:
    assert beyond_chance(1.0, 0.4) == 1.0
    assert beyond_chance(0.7, 0.4) == pytest.approx(0.5)
    assert beyond_chance(0.3, 0.4) == 0.0
    assert beyond_chance(1.0, 1.0) == 0.0
