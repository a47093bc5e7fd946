"""Duplicates of a collection and of documents, with the bundled model, on every backend."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.errors import UnknownName, UsageError
from xlingual_qdrant.queries.corpus import corpus_of_documents
from xlingual_qdrant.queries.duplicates.deciding import KINDS, least_cosine, normalised
from xlingual_qdrant.queries.duplicates.finding import (
    delete_duplicates,
    duplicate_documents,
    find_duplicates,
    kept_documents,
)
from xlingual_qdrant.queries.duplicates.guards import GUARDS

DOCUMENTS = [
    {"id": "may", "lang": "en", "text": "Your parcel of 3 May has not arrived yet."},
    {"id": "may-re", "lang": "en", "text": "RE: your parcel of 3 May has not arrived yet!"},
    {"id": "may-caps", "lang": "en", "text": "YOUR PARCEL OF 3 MAY  HAS NOT ARRIVED YET."},
    {"id": "june", "lang": "en", "text": "Your parcel of 3 June has not arrived yet."},
    {"id": "arrived", "lang": "en", "text": "Your parcel of 3 May has arrived."},
    {"id": "rain", "lang": "de", "text": "Morgen wird es den ganzen Tag regnen."},
    {"id": "rain-typo", "lang": "de", "text": "Morgen wird es den ganzn Tag regnen"},
    {"id": "may-de", "lang": "de", "text": "Ihr Paket vom 3. Mai ist noch nicht angekommen."},
]
BACKENDS = ("memory", "faiss", "qdrant")


@pytest.fixture(params=BACKENDS)
def collection(request, tmp_path):
    place = {
        "memory": {"kind": "memory"},
        "faiss": {"kind": "faiss", "path": str(tmp_path / "faiss")},
        "qdrant": {"kind": "qdrant", "location": ":memory:"},
    }[request.param]
    if request.param == "qdrant":
        place = {"kind": "qdrant", "path": str(tmp_path / "qdrant")}
    settings = {"store": "here", "stores": {"here": place}}
    with Collection.open("duplicates", settings=settings) as opened:
        opened.add(DOCUMENTS)
        yield opened


@pytest.fixture(scope="module")
def corpus():
    settings = {"store": "here", "stores": {"here": {"kind": "memory"}}}
    with Collection.open(settings=settings) as opened:
        yield corpus_of_documents(opened, DOCUMENTS)


def sets(report) -> set[frozenset[str]]:
    return {frozenset([g.kept, *(other.id for other in g.others)]) for g in report.groups}


def test_every_store_finds_the_same(collection):
    report = find_duplicates(collection, kinds=("exact", "near"))
    assert sets(report) == {
        frozenset({"may", "may-re", "may-caps"}),
        frozenset({"rain", "rain-typo"}),
    }
    assert report.documents == len(DOCUMENTS)
    assert report.kinds == {"near": 3}
    assert report.languages == {"en": 2, "de": 1}
    assert report.refused["numbers"] >= 1
    assert collection.count() == len(DOCUMENTS)
    written = [document.id for document in duplicate_documents(report)]
    assert delete_duplicates(collection, report) == 3
    assert collection.count() == len(DOCUMENTS) - 3
    assert sorted(written) == sorted(report.ids)
    assert not find_duplicates(collection, kinds=("exact", "near")).groups


def test_translations_are_found_with_their_copies(corpus):
    report = find_duplicates(corpus, kinds=KINDS, margin=0.05)
    assert frozenset({"may", "may-re", "may-caps", "may-de"}) in sets(report)
    assert "june" not in report.ids


@pytest.mark.parametrize(
    ("keep", "kept"),
    [("longest", "may-re"), ("first", "may"), (lambda found: found[-1], "may-caps")],
)
def test_the_rule_decides_what_is_kept(corpus, keep, kept):
    report = find_duplicates(corpus, kinds=("exact", "near"), keep=keep)
    assert kept in {group.kept for group in report.groups}


def test_a_language_can_be_preferred(corpus):
    report = find_duplicates(corpus, kinds=KINDS, margin=0.05, keep="prefer-lang de")
    assert {group.kept for group in report.groups if len(group.others) == 3} == {"may-de"}


def test_without_guards_another_month_is_a_duplicate(corpus):
    report = find_duplicates(corpus, kinds="near", guards=())
    assert any({"may", "june"} <= group for group in sets(report))
    assert not report.refused


def test_exact_ones_differ_in_case_width_and_white_space_only(corpus):
    report = find_duplicates(corpus, kinds="exact")
    assert sets(report) == {frozenset({"may", "may-caps"})}
    [other] = report.groups[0].others
    assert (other.kind, other.score) == ("exact", 1.0)
    assert normalised(" Ｃａｆé\t\nNOIR ") == normalised("cafe\u0301 noir")


def test_what_stays_comes_in_its_order(corpus):
    report = find_duplicates(corpus, kinds=("exact", "near"), keep="first")
    assert [document.id for document in kept_documents(corpus, report)] == [
        "may",
        "june",
        "arrived",
        "rain",
        "may-de",
    ]


def test_components_join_what_stars_keep_apart():
    texts = [
        "the big red house on the long hill of our town",
        "the big red house on long hill of our town",
        "big red house on long hill of our town",
        "big red house on long hill of town",
    ]
    settings = {"store": "here", "stores": {"here": {"kind": "memory"}}}
    with Collection.open(settings=settings) as opened:
        chain = corpus_of_documents(opened, [{"text": t, "lang": "en"} for t in texts])
    joined = find_duplicates(chain, kinds="near", linking="components", keep="first")
    apart = find_duplicates(chain, kinds="near", linking="star", keep="first")
    assert [len(group.others) for group in joined.groups] == [3]
    assert sum(len(group.others) for group in apart.groups) < 3


def test_interrupted_work_goes_on(corpus, tmp_path):
    folder = tmp_path / "steps"

    class Stopped(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("comparing de with en"):
            raise Stopped

    with pytest.raises(Stopped):
        find_duplicates(corpus, kinds=KINDS, checkpoint=folder, on_progress=stop)
    assert folder.is_dir()
    again = find_duplicates(corpus, kinds=KINDS, checkpoint=folder)
    assert again == find_duplicates(corpus, kinds=KINDS)
    assert not folder.exists()


def test_progress_is_told(corpus):
    seen: set[str] = set()
    find_duplicates(corpus, kinds=KINDS, on_progress=lambda what, done, total: seen.add(what))
    assert {"reading texts", "comparing texts in en", "comparing de with en"} <= seen


def test_nothing_is_found_in_nothing(corpus):
    settings = {"store": "here", "stores": {"here": {"kind": "memory"}}}
    with Collection.open(settings=settings) as opened:
        report = find_duplicates(opened, kinds=KINDS)
    assert (report.documents, report.groups, report.ids) == (0, [], [])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"kinds": ["nearly"]}, UnknownName),
        ({"kinds": []}, UsageError),
        ({"keep": "shortest"}, UnknownName),
        ({"keep": "prefer-lang"}, UsageError),
        ({"linking": "chain"}, UnknownName),
        ({"guards": ["dates"]}, UnknownName),
        ({"threshold": 0.0}, UsageError),
        ({"threshold": float("nan")}, UsageError),
        ({"langs": "en"}, UsageError),
    ],
)
def test_wrong_options_are_refused(corpus, options, error):
    with pytest.raises(error):
        find_duplicates(corpus, **options)


def test_vectors_are_left_as_they_are(corpus):
    before = corpus.vectors.copy()
    find_duplicates(corpus, kinds=KINDS)
    assert np.array_equal(before, corpus.vectors)


def test_without_the_guard_of_words_the_cosine_has_to_be_higher():
    assert least_cosine(None, GUARDS) < least_cosine(None, ["numbers"]) == least_cosine(None, ())
    assert least_cosine(0.7, ()) == 0.7
    with pytest.raises(UsageError, match="above 0"):
        least_cosine(0.0, GUARDS)
