"""Searches beyond the nearest: preference of languages, shares, diversity, explanations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.calibration import Calibration, Cut, embedder_name, write_calibration
from xlingual_qdrant.errors import UnknownLanguage, UsageError
from xlingual_qdrant.guide.texts import sample
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import Embedder

LANGS = ("de", "fr", "ja")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("bundled")


@pytest.fixture(scope="module")
def parallel(embedder: Embedder) -> Iterator[Collection]:
    """Sixty texts in each of four languages; the English ones are those in German."""
    with Collection.open("parallel", store=MemoryStore(), embedder=embedder) as collection:
        for lang in LANGS:
            pairs = [pair for pair in sample(60) if pair.lang == lang]
            for number, pair in enumerate(pairs):
                collection.add({"id": f"{lang}-{number}", "text": pair.text, "lang": lang})
                if lang == "de":
                    collection.add({"id": f"en-{number}", "text": pair.translation, "lang": "en"})
        yield collection


def english(collection: Collection, count: int = 30) -> list[str]:
    return [document.text for document in collection.documents(langs="en")][:count]


def share(collection: Collection, lang: str, **options: Any) -> float:
    found = collection.search_many(english(collection), lang="en", **options)
    return sum(hit.lang == lang for hits in found for hit in hits) / sum(map(len, found))


def test_a_plain_search_has_no_correction(parallel: Collection) -> None:
    [hit] = parallel.search("weather", k=1)
    assert (hit.raw_score, hit.correction, hit.explanation) == (None, None, None)


def test_the_dial_turns_the_share_of_the_own_language(parallel: Collection) -> None:
    own, plain, balanced = (
        share(parallel, "en", prefer=prefer) for prefer in ("own", None, "balanced")
    )
    assert own > plain > balanced
    assert abs(balanced - 0.25) < abs(plain - 0.25)


def test_learned_queries_make_the_shares_fair(embedder: Embedder, parallel: Collection) -> None:
    before = share(parallel, "en", prefer="balanced")
    others = [document.text for document in parallel.documents(langs="en")][30:]
    parallel.learn_queries(others, lang="en")
    after = share(parallel, "en", prefer="balanced")
    parallel.forget_queries()
    assert abs(after - 0.25) <= abs(before - 0.25) + 0.01
    assert abs(after - 0.25) < 0.05


@pytest.mark.parametrize("rescore", ["centered", "csls", "lir", "bridge"])
def test_a_corrected_hit_has_its_cosine_and_says_what_was_done(
    parallel: Collection, rescore: Any
) -> None:
    [plain] = parallel.search("The weather is nice.", k=1, langs="de")
    [hit] = parallel.search("The weather is nice.", k=1, langs="de", rescore=rescore)
    assert hit.correction == rescore
    assert hit.raw_score is not None
    if hit.id == plain.id:
        assert hit.raw_score == pytest.approx(plain.score, abs=1e-5)


def test_the_bridge_brings_all_versions(parallel: Collection) -> None:
    asked = list(parallel.documents(langs="en"))

    def versions(**options: Any) -> int:
        texts = [document.text for document in asked]
        found = parallel.search_many(texts, k=4, lang="en", langs=["en", "de"], **options)
        wanted = [document.id.replace("en-", "de-") for document in asked]
        return sum(id in {hit.id for hit in hits} for id, hits in zip(wanted, found, strict=True))

    assert versions(rescore="bridge") >= versions() > len(asked) // 2


def test_each_language_has_as_many_hits_as_asked_for(parallel: Collection) -> None:
    hits = parallel.search("weather", per_language=2)
    langs = [hit.lang for hit in hits]
    assert {lang: langs.count(lang) for lang in set(langs)} == dict.fromkeys(("en", *LANGS), 2)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(parallel.search("weather", per_language=2, k=3)) == 3


def test_balance_takes_the_languages_in_turn(parallel: Collection) -> None:
    hits = parallel.search("weather", k=8, balance=True)
    langs = [hit.lang for hit in hits]
    assert sorted(langs[:4]) == sorted(langs[4:]) == sorted(("en", *LANGS))


def test_diversity_avoids_translations_of_one_text(parallel: Collection) -> None:
    [text] = english(parallel, 1)
    plain, diverse = (
        {
            hit.id.partition("-")[2]
            for hit in parallel.search(text, k=2, langs=["en", "de"], diversity=diversity)
        }
        for diversity in (None, 0.5)
    )
    assert len(diverse) > len(plain)


def test_an_explanation_tells_the_cosine_and_its_rank(parallel: Collection) -> None:
    for hit in parallel.search("The weather is nice.", k=3, prefer="balanced", explain=True):
        assert hit.explanation is not None
        assert hit.explanation["query_lang"] == "en"
        assert hit.explanation["cosine"] == pytest.approx(hit.raw_score, abs=1e-5)
    first, *_ = parallel.search("The weather is nice.", k=3, explain=True)
    assert first.explanation is not None
    assert first.explanation["cosine_rank"] == 1


def test_filters_come_first_with_a_correction_too(parallel: Collection) -> None:
    hits = parallel.search("weather", k=10, prefer="balanced", langs="ja")
    assert [hit.lang for hit in hits] == ["ja"] * 10


def test_by_language_takes_a_correction(parallel: Collection) -> None:
    groups = parallel.search_by_language("weather", k=1, prefer="neutral")
    assert set(groups) == {"en", *LANGS}
    assert {hits[0].correction for hits in groups.values()} == {"centered"}


def test_the_calibration_says_what_is_the_same(parallel: Collection) -> None:
    with pytest.raises(UsageError, match="not calibrated"):
        Collection(vectors_only(parallel)).search_many([[1.0, 0.0, 0.0]], min_score="calibrated")
    cut = Cut(threshold=0.8, slope=20, offset=-14, pairs=10, method="labels")
    made = Calibration(embedder=embedder_name(parallel.stored), cuts={"cosine": {"*": cut}})
    write_calibration(parallel.stored, made)
    hits = parallel.search(english(parallel, 1)[0], min_score="calibrated", lang="en")
    assert hits
    assert min(hit.score for hit in hits) >= 0.8
    write_calibration(parallel.stored, None)


def vectors_only(_: Collection) -> Any:
    made = Collection.open("plain", store=MemoryStore(), schema={"dimension": 3})
    made.add([{"text": "a", "lang": "de"}], vectors=[[1.0, 0.0, 0.0]])
    return made.stored


def test_one_document_a_language_is_enough(embedder: Embedder) -> None:
    with Collection.open("tiny", store=MemoryStore(), embedder=embedder) as tiny:
        tiny.add(
            [
                {"text": "The parcel is late.", "lang": "en"},
                {"text": "Das Wetter ist schön.", "lang": "de"},
            ]
        )
        for options in ({"prefer": "balanced"}, {"rescore": "csls"}, {"rescore": "bridge"}):
            hits = tiny.search("Where is my parcel?", **options)
            assert [hit.lang for hit in hits] == ["en", "de"]


def test_an_empty_collection_answers_nothing(embedder: Embedder) -> None:
    with Collection.open("none", store=MemoryStore(), embedder=embedder) as none:
        for options in ({"prefer": "balanced"}, {"rescore": "lir"}, {"per_language": 2}):
            assert none.search("hello", **options) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prefer": "mine"}, "prefer is 'own', 'neutral' or 'balanced'"),
        ({"rescore": "magic"}, "rescore is 'centered'"),
        ({"rescore": "bridge", "prefer": "own"}, "does not go with it"),
        ({"balance": True, "per_language": 1}, "either balance"),
        ({"balance": True, "diversity": 0.1}, "diversity"),
        ({"diversity": 2}, "from 0 to 1"),
        ({"per_language": 0}, "per_language must be"),
        ({"min_score": "high"}, "'calibrated'"),
        ({"k": 0}, "k must be"),
    ],
)
def test_options_that_do_not_fit_are_told(
    parallel: Collection, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        parallel.search("hello", **options)


def test_languages_of_queries_are_checked(parallel: Collection) -> None:
    with pytest.raises(UnknownLanguage):
        parallel.search("hello", lang="klingonish-x", prefer="neutral")
    with pytest.raises(UsageError, match="1 tags for 2 queries"):
        parallel.search_many(["a", "b"], lang=["en"], prefer="neutral")


def test_what_is_not_near_enough_takes_nobodys_place() -> None:
    near = [[1, 0.01 * row, 0, 0] for row in range(10)]
    far = [[0.1, 1, 0.01 * row, 0] for row in range(10)]
    with Collection.open("m", store=MemoryStore(), schema={"dimension": 4}) as collection:
        documents = [
            {"id": f"{row:02}", "text": f"text {row}", "lang": "en" if row < 10 else "de"}
            for row in range(20)
        ]
        collection.add(documents, vectors=[*near, *far])
        for options in ({}, {"balance": True}, {"diversity": 0.9}, {"explain": True}):
            hits = collection.search([1, 0, 0, 0], k=6, min_score=0.5, **options)
            assert len(hits) == 6, options
            assert all(hit.score >= 0.5 for hit in hits)
        cuts = {
            key: Cut(threshold=least, slope=1, offset=0, pairs=1, method="labels")
            for key, least in (("de|en", 0.05), ("=", 0.99999), ("*", 0.99999))
        }
        name = embedder_name(collection.stored)
        write_calibration(collection.stored, Calibration(embedder=name, cuts={"cosine": cuts}))
        hits = collection.search([1, 0, 0, 0], k=6, min_score="calibrated", lang="en")
        assert [hit.lang for hit in hits].count("de") == 6 - [hit.lang for hit in hits].count("en")
        assert len(hits) == 6
