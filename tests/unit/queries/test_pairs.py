"""Pairs of texts: cosine, margin, probability and verdict."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.calibration import ANY, Calibration, Cut, embedder_name, write_calibration
from xlingual_qdrant.errors import InvalidInput, UsageError
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.queries.scores.background import Background
from xlingual_qdrant.queries.scores.scoring import AT_ONCE, score, score_pairs
from xlingual_qdrant.queries.scores.sentences import sentences_of

TUTORIAL = [
    ("I love programming", "J'adore la programmation"),
    ("I love programming", "Das Wetter ist schön heute"),
    ("The server is down", "Le serveur est en panne"),
]
GERMANIC = [text for lang in ("de", "nl", "da", "sv") for text in sentences_of(lang)]
"""Enough texts for margins; the tests let them pass as one language."""


def test_the_pairs_of_the_tutorial_are_told_apart_without_any_collection() -> None:
    found = [score(*pair) for pair in TUTORIAL]
    assert [pair.same for pair in found] == [True, False, True]
    assert [round(pair.cosine, 2) for pair in found] == [0.83, 0.0, 0.71]
    assert found[0].probability > 0.9 > 0.1 > found[1].probability
    assert found[0].margin > 1 > found[1].margin


def test_the_order_of_the_two_texts_does_not_matter() -> None:
    there = score(*TUTORIAL[2], langs=("en", "fr"))
    back = score(*TUTORIAL[2][::-1], langs=("fr", "en"))
    assert there.cosine == pytest.approx(back.cosine)
    assert there.margin == pytest.approx(back.margin)
    assert there.threshold == back.threshold


def test_languages_are_given_or_detected() -> None:
    [detected] = score_pairs(None, [("Guten Morgen, wie geht es Ihnen?", "Où est la gare ?")])
    assert (detected.left_lang, detected.right_lang) == ("de", "fr")
    pairs = [TextPair("Hallo", "Hello", "de-AT", ""), ("Hallo", "Hello")]
    of_pair, given = score_pairs(None, pairs, langs=("nl", "en"))
    assert (of_pair.left_lang, of_pair.right_lang) == ("de-AT", "en")
    assert (given.left_lang, given.right_lang) == ("nl", "en")


def test_a_text_of_an_unknown_language_still_gets_everything() -> None:
    found = score("qwrt zxcv", "qwrt zxcv", langs=("und", "und"))
    assert found.same
    assert found.cosine == pytest.approx(1)
    assert found.margin is not None


def test_many_pairs_are_scored_like_each_alone() -> None:
    pairs = [(text, GERMANIC[-row]) for row, text in enumerate(GERMANIC)] * 5
    pairs = pairs[: AT_ONCE + 10]
    assert len(pairs) > AT_ONCE
    found = list(score_pairs(None, iter(pairs), langs=("de", "sv")))
    assert [(pair.left, pair.right) for pair in found] == pairs
    alone = score(*pairs[-1], langs=("de", "sv"))
    assert found[-1].cosine == pytest.approx(alone.cosine, abs=1e-6)
    assert found[-1].margin == pytest.approx(alone.margin, abs=1e-5)


def test_no_pairs_are_no_scores() -> None:
    assert list(score_pairs(None, [])) == []


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        (("a text", " \n"), "pair 2: .*empty"),
        (("a text", "half \ud800"), "pair 2: .*surrogate"),
        (("a text", None), "pair 2: .*null"),
        (("one", "two", "three"), "pair 2 is"),
        ("a text", "pair 2 is"),
    ],
)
def test_a_pair_that_is_none_is_named_by_its_number(pair, says) -> None:
    with pytest.raises(InvalidInput, match=says):
        list(score_pairs(None, [TUTORIAL[0], pair]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"measure": "euclid"}, "'cosine' or 'margin'"),
        ({"langs": "en"}, "two tags"),
        ({"langs": ("en", "klingonish!")}, "not a language tag"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, says) -> None:
    with pytest.raises(UsageError, match=says):
        score("a", "b", **options)


def test_margins_do_not_decide_without_texts_to_compare_with() -> None:
    with pytest.raises(UsageError, match="at least 200 are needed"):
        score("a", "b", langs=("en", "de"), measure="margin")


@pytest.fixture
def filled():
    with Collection.open(store="memory") as collection:
        collection.add([{"text": text, "lang": "de"} for text in GERMANIC])
        collection.add([{"text": text, "lang": "en"} for text in sentences_of("en")[:250]])
        yield collection


def test_a_collection_gives_the_neighbours_and_the_calibration(filled) -> None:
    found = score("The sun is shining.", "Die Sonne scheint.", langs=("en", "de"))
    cut = Cut(threshold=9, slope=1, offset=-9, pairs=9, method="labels")
    cuts = {"cosine": {ANY: cut}, "margin": {ANY: cut}}
    known = Calibration(embedder=embedder_name(filled.stored), cuts=cuts)
    write_calibration(filled.stored, known)
    langs = ("en", "de")
    for measure in ("cosine", "margin"):
        own = score(
            "The sun is shining.",
            "Die Sonne scheint.",
            langs=langs,
            collection=filled,
            measure=measure,
        )
        assert (own.measure, own.threshold, own.same) == (measure, 9, False)
        assert own.cosine == pytest.approx(found.cosine)
        assert own.margin != pytest.approx(found.margin)


def test_a_pair_and_its_copies_are_not_their_own_neighbours(filled) -> None:
    embedder = load_embedder()
    background = Background(filled.schema, embedder, filled)
    text, partner = "The sun is shining.", "Die Sonne scheint."
    vectors = embedder.embed_documents([text])
    cosine = np.array([0.5], dtype=np.float32)
    before = background.near(vectors, cosine, "de", [partner], [text])
    filled.add([{"id": f"copy {n}", "text": partner, "lang": "de"} for n in range(4)])
    assert background.near(vectors, cosine, "de", [partner], [text]) == pytest.approx(before)


def test_a_collection_of_vectors_cannot_embed_texts() -> None:
    with (
        Collection.open("vectors", store="memory", schema={"dimension": 3}) as collection,
        pytest.raises(UsageError, match="open without an embedder"),
    ):
        score("a", "b", collection=collection)


def test_every_store_gives_the_same_scores(tmp_path) -> None:
    places = [
        {"kind": "memory"},
        {"kind": "faiss", "path": str(tmp_path)},
        {"kind": "qdrant", "location": ":memory:"},
    ]
    answers = []
    for place in places:
        settings = {"store": "here", "stores": {"here": place}}
        with Collection.open("pairs", settings=settings) as collection:
            collection.add([{"text": text, "lang": "de"} for text in GERMANIC[:200]])
            collection.add([{"text": text, "lang": "en"} for text in sentences_of("en")[:200]])
            found = list(score_pairs(collection, TUTORIAL, langs=("en", "de"), measure="margin"))
        assert all(None not in astuple(pair) for pair in found)
        answers.append([(pair.cosine, pair.margin, pair.probability) for pair in found])
    for answer in answers[1:]:
        assert answer == [pytest.approx(row, abs=1e-5) for row in answers[0]]
