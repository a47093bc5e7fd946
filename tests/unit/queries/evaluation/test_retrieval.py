"""Labelled questions asked of collections on every backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from xlingual_adapters.embedders.callable import CallableEmbedder

from xlingual_qdrant import Collection
from xlingual_qdrant.errors import UnknownName, UsageError
from xlingual_qdrant.queries.evaluation import (
    Evaluated,
    Question,
    diagnose,
    evaluate,
    searches_named,
)

DOCUMENTS = [
    {"id": "parcel-de", "text": "Mein Paket ist nicht angekommen.", "lang": "de"},
    {"id": "parcel-fr", "text": "Mon colis n'est pas arrivé.", "lang": "fr-CA"},
    {"id": "password-en", "text": "How do I reset my password?", "lang": "en"},
    {"id": "password-de", "text": "Wie setze ich mein Passwort zurück?", "lang": "de-AT"},
    {"id": "invoice-es", "text": "La factura contiene un error.", "lang": "es"},
    {"id": "invoice-en", "text": "The invoice is wrong.", "lang": "en"},
    {"id": "train-fr", "text": "Le train est en retard.", "lang": "fr"},
    {"id": "rain-es", "text": "Mañana lloverá todo el día.", "lang": "es"},
]
QUESTIONS = [
    Question("My parcel is missing.", {"parcel-de": 1, "parcel-fr": 1}, "en"),
    Question("Wo ist mein Paket?", {"parcel-de": 2, "parcel-fr": 1}, "de"),
    Question("J'ai oublié mon mot de passe.", {"password-en": 1, "password-de": 1}, "fr"),
    Question("La factura no es correcta.", {"invoice-en": 1}, "es"),
]
STORES = {
    "memory": {"kind": "memory"},
    "faiss": {"kind": "faiss", "path": "faiss"},
    "qdrant": {"kind": "qdrant", "location": ":memory:"},
}


def opened(tmp_path: Path, store: str = "memory") -> Collection:
    described = dict(STORES[store])
    if "path" in described:
        described["path"] = str(tmp_path / described["path"])
    return Collection.open("documents", settings={"store": "it", "stores": {"it": described}})


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with opened(tmp_path) as collection:
        collection.add(DOCUMENTS)
        yield collection


def only(evaluated: Evaluated):
    [evaluation] = evaluated.evaluations
    return evaluation


def angles(texts: list[str]) -> list[list[float]]:
    """Return a direction for each text: a text that is a number lies at so many degrees."""
    degrees = [float(text) if text.isdigit() else crc32(text.encode()) % 360 for text in texts]
    return [[np.cos(np.radians(each)), np.sin(np.radians(each))] for each in degrees]


@pytest.fixture
def circle() -> Iterator[Collection]:
    """Documents whose order is known: their texts are degrees, their ids language and degrees."""
    embedder = CallableEmbedder(angles, name="angles")
    with Collection.open("circle", store="memory", embedder=embedder) as collection:
        ids = ["de 1", "fr 2", "de 3", "en 4", "fr 5", "de 6", "en 7", "fr 8"]
        collection.add([{"id": id, "text": id[3:], "lang": id[:2]} for id in ids])
        yield collection


ASKED = [
    Question("0", {"de 1": 1, "fr 2": 1, "en 4": 1}, "de"),
    Question("0", {"en 4": 1}, "fr"),
    Question("0", {"fr 8": 1, "de 3": 2}, "fr"),
]


@pytest.mark.parametrize("store", STORES)
def test_every_store_gives_the_same_figures(tmp_path: Path, store: str) -> None:
    searches = searches_named(["plain", "neutral", "bridge"])
    figures = []
    for each in ("memory", store):
        with opened(tmp_path, each) as collection:
            collection.add(DOCUMENTS)
            found = evaluate(collection, QUESTIONS, k=3, searches=searches)
            figures.append([evaluation.to_json() for evaluation in found.evaluations])
    assert figures[0] == figures[1]
    assert [each["search"] for each in figures[0]] == list(searches)


def test_figures_over_all_questions(circle: Collection) -> None:
    found = only(evaluate(circle, ASKED, k=4))
    first = 1 + 1 / np.log2(3) + 1 / np.log2(5)
    gains = [first / (1 + 1 / np.log2(3) + 1 / 2), 1 / np.log2(5), 1 / (2 + 1 / np.log2(3))]
    assert found.overall.questions == 3
    assert found.overall.recall == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert found.overall.mrr == pytest.approx((1 + 1 / 4 + 1 / 3) / 3)
    assert found.overall.ndcg == pytest.approx(sum(gains) / 3)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.own_share == pytest.approx((2 / 4 + 1 / 4 + 1 / 4) / 3)
    assert found.fair_share == pytest.approx(3 / 8)


def test_figures_by_pair_pass_over_what_is_relevant_in_other_languages(circle: Collection) -> None:
    found = only(evaluate(circle, ASKED, k=4))
    assert {pair: figures.mrr for pair, figures in found.pairs.items()} == {
        ("de", "de"): 1.0,
        ("de", "fr"): 1.0,  # second, behind the German one, which is right, too
        ("de", "en"): pytest.approx(1 / 2),  # fourth; of those before only "de 3" is wrong
        ("fr", "de"): pytest.approx(1 / 3),
        ("fr", "en"): pytest.approx(1 / 4),
        ("fr", "fr"): 0.0,  # eighth, and only four are looked at
    }
    assert found.pairs["fr", "fr"].questions == 1
    assert found.worst == ("fr", "fr")
    assert found.spread == 1.0
    rows, columns, values = found.matrix("recall")
    assert (rows, columns) == (["de", "fr"], ["de", "en", "fr"])
    assert values.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert np.isnan(only(evaluate(circle, ASKED[:2])).matrix()[2][1, 0])


def test_only_the_first_k_hits_count(circle: Collection) -> None:
    found = only(evaluate(circle, ASKED, k=1))
    assert found.overall.recall == pytest.approx((1 / 3 + 0 + 0) / 3)
    assert found.coverage == 0.0


def test_filters_of_a_search_change_what_is_fair(collection: Collection) -> None:
    searches = {"german": {"langs": "de"}, "no english": {"where": "id != 'password-en'"}}
    german, filtered = evaluate(collection, QUESTIONS, k=3, searches=searches).evaluations
    assert german.fair_share == pytest.approx(1 / 4)  # one of four questions is German
    assert german.pairs["en", "fr"].recall == 0.0
    assert filtered.fair_share == pytest.approx((1 / 7 + 3 * 2 / 7) / 4)


def test_hits_of_each_language_may_be_more_than_k(collection: Collection) -> None:
    found = only(evaluate(collection, QUESTIONS, k=2, searches={"each": {"per_language": 1}}))
    assert found.own_share <= 0.5


def test_languages_of_questions_are_detected(collection: Collection) -> None:
    asked = [Question("Wo ist mein Paket geblieben, bitte?", {"parcel-fr": 1})]
    assert set(only(evaluate(collection, asked)).pairs) == {("de", "fr")}


def test_what_is_not_there_is_left_out_and_told(collection: Collection) -> None:
    asked = [
        Question("Wo ist mein Paket?", {"parcel-de": 1, "gone": 1}, "de"),
        Question("Wo?", {"gone": 1, "lost": 1}, "de"),
        Question("Was?", {"parcel-de": 0}, "de"),
    ]
    found = evaluate(collection, asked)
    assert found.missing == ["gone", "lost"]
    assert found.left_out == 2
    assert only(found).overall.recall == 1.0


def test_progress_counts_all_searches(collection: Collection) -> None:
    seen: list[tuple[int, int]] = []
    evaluate(
        collection,
        QUESTIONS,
        searches=searches_named(["plain", "neutral"]),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(4, 8), (8, 8)]


def test_questions_that_cannot_be_asked_are_refused(collection: Collection) -> None:
    with pytest.raises(UsageError, match="there are no questions"):
        evaluate(collection, [])
    with pytest.raises(UsageError, match=r"holds none of the 1 documents.*'parcel-dee'.*Did you"):
        evaluate(collection, [Question("Wo?", {"parcel-dee": 1})])
    with pytest.raises(UsageError, match="grade above 0"):
        evaluate(collection, [Question("Wo?", {"parcel-de": 0})])
    with pytest.raises(UsageError, match="k must be"):
        evaluate(collection, QUESTIONS, k=0)
    with pytest.raises(UsageError, match="searches is empty"):
        evaluate(collection, QUESTIONS, searches={})
    with pytest.raises(UsageError, match="names k"):
        evaluate(collection, QUESTIONS, searches={"deep": {"k": 100}})
    with pytest.raises(UnknownName, match=r"neutrel.*Did you mean 'neutral'"):
        searches_named(["neutrel"])


def test_an_empty_collection_is_told(tmp_path: Path) -> None:
    with opened(tmp_path) as empty:
        with pytest.raises(UsageError, match="is empty"):
            evaluate(empty, QUESTIONS)
        with pytest.raises(UsageError, match="is empty"):
            diagnose(empty)
