"""Mining real sentences with the bundled model, on every backend."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from xlingual_qdrant import Collection, Document
from xlingual_qdrant.calibration import Calibration, Cut, embedder_name, write_calibration
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.corpus import corpus_of_documents
from xlingual_qdrant.queries.mining.matching import METHODS
from xlingual_qdrant.queries.mining.mining import MinedPair, mine

ENGLISH = [
    "The cat sat on the mat.",
    "Machine learning is transforming healthcare.",
    "I need to book a flight to Berlin.",
]
FRENCH = [
    "J'ai besoin de réserver un vol pour Berlin.",
    "Le chat était assis sur le tapis.",
    "L'apprentissage automatique transforme la santé.",
    "La tour Eiffel est à Paris.",
]
STORES = {
    "memory": {"kind": "memory"},
    "faiss": {"kind": "faiss", "path": "faiss"},
    "qdrant": {"kind": "qdrant", "location": ":memory:"},
}


def sentences() -> list[dict[str, str]]:
    """Sentences of which two in four are there in both languages, one in each alone."""
    packed = files("xlingual_qdrant").joinpath("guide/sample/tatoeba.tsv.gz").read_bytes()
    rows = [line.split("\t") for line in gzip.decompress(packed).decode().splitlines()[1:]]
    pairs = [(text, english) for lang, text, english in rows if lang == "de"]
    made: list[dict[str, str]] = []
    for number, (german, english) in enumerate(pairs):
        if number % 4 != 2:
            made.append({"id": f"de-{number:03}", "text": german, "lang": "de"})
        if number % 4 != 3:
            made.append({"id": f"en-{number:03}", "text": english, "lang": "en"})
    return made


def opened(name: str, folder: Path) -> Collection:
    section = dict(STORES[name])
    if "path" in section:
        section["path"] = str(folder / section["path"])
    return Collection.open("mined", settings={"store": "here", "stores": {"here": section}})


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory):
    with opened("memory", tmp_path_factory.mktemp("mined")) as collection:
        collection.add(sentences())
        yield collection


@pytest.fixture
def empty():
    with Collection.open("texts", store="memory") as collection:
        yield collection


def ids(pairs) -> list[tuple[str, str]]:
    return [(pair.source.id, pair.target.id) for pair in pairs]


def right(pairs) -> int:
    return sum(one.removeprefix("en-") == other.removeprefix("de-") for one, other in ids(pairs))


def test_the_sentences_of_the_tutorial_find_each_other(empty):
    found = list(mine(empty, ENGLISH, FRENCH))
    assert {(pair.source.text, pair.target.text) for pair in found} == {
        (ENGLISH[0], FRENCH[1]),
        (ENGLISH[1], FRENCH[2]),
        (ENGLISH[2], FRENCH[0]),
    }
    assert [pair.score for pair in found] == sorted((p.score for p in found), reverse=True)
    assert all(pair.score == pair.cosine and pair.probability > 0.9 for pair in found)


def test_most_translations_are_found_without_labels_and_few_others(filled):
    found = list(mine(filled, "en", "de"))
    expected = sum(row["lang"] == "en" and int(row["id"][3:]) % 4 != 2 for row in sentences())
    assert 2 * right(found) / (len(found) + expected) > 0.85
    assert all(isinstance(pair, MinedPair) and 0 <= pair.probability <= 1 for pair in found)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("through_index", [False, True])
def test_every_store_gives_the_same_pairs(store, through_index, filled, tmp_path):
    with opened(store, tmp_path) as collection:
        collection.add(sentences())
        expected = list(mine(filled, "en", "de", measure="ratio"))
        found = list(mine(collection, "en", "de", measure="ratio", through_index=through_index))
    assert ids(found) == ids(expected)
    assert [p.score for p in found] == pytest.approx([p.score for p in expected], abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_uses_each_text_once_unless_it_says_otherwise(filled, method):
    found = ids(mine(filled, "en", "de", method=method))
    assert right(mine(filled, "en", "de", method=method)) > 0.8 * len(found) > 0
    if method != "backward":
        assert len({one for one, _ in found}) == len(found)
    if method != "forward":
        assert len({other for _, other in found}) == len(found)


def test_a_number_as_threshold_is_the_least_score(filled):
    every = list(mine(filled, "en", "de", threshold=float("-inf")))
    some = list(mine(filled, "en", "de", threshold=0.5))
    assert ids(some) == ids(pair for pair in every if pair.score >= 0.5)
    assert 0 < len(some) < len(every)
    near = mine(filled, "en", "de", threshold=0.5, min_cosine=0.7)
    assert ids(near) == ids(pair for pair in some if pair.cosine >= 0.7)


def test_unusual_lengths_lower_a_margin_and_nothing_else(filled):
    options = {"threshold": float("-inf"), "method": "forward"}
    with_lengths, without = (
        {
            ids([pair])[0]: pair
            for pair in mine(filled, "en", "de", measure="ratio", **options, **it)
        }
        for it in ({}, {"compare_lengths": False})
    )
    shared = with_lengths.keys() & without.keys()
    assert len(shared) > 0.9 * len(without)
    assert all(with_lengths[each].cosine == without[each].cosine for each in shared)
    lost = [1 - with_lengths[each].score / without[each].score for each in shared]
    assert min(lost) >= 0
    assert 0.02 < max(lost) < 0.17
    assert right(with_lengths.values()) >= right(without.values())
    cosine = list(mine(filled, "en", "de", measure="cosine"))
    assert cosine == list(mine(filled, "en", "de", measure="cosine", compare_lengths=False))


def test_a_calibration_decides_by_the_languages_of_each_pair(empty):
    empty.add(sentences())
    cuts = {"de|en": Cut(threshold=1.4, slope=10, offset=-14, pairs=9, method="labels")}
    write_calibration(
        empty.stored, Calibration(embedder=embedder_name(empty.stored), cuts={"margin": cuts})
    )
    found = list(mine(empty, "en", "de", measure="ratio", threshold="calibrated"))
    assert ids(found) == ids(mine(empty, "en", "de", measure="ratio", threshold=1.4))
    assert all(pair.probability >= 0.5 for pair in found)
    with pytest.raises(UsageError, match="no cosine threshold for de and en"):
        mine(empty, "de", "en", measure="cosine", threshold="calibrated")
    with pytest.raises(UsageError, match="no calibration of csls scores"):
        mine(empty, "en", "de", measure="csls", threshold="calibrated")


def test_two_collections_and_two_corpora_are_mined_like_one(filled, empty):
    german = [row for row in sentences() if row["lang"] == "de"]
    english = [row for row in sentences() if row["lang"] == "en"]
    expected = sorted(ids(mine(filled, "en", "de")))
    assert sorted(ids(mine(filled, corpus_of_documents(filled, english), german))) == expected
    empty.add(german)
    for through_index in (False, True):
        found = mine(filled, "en", "de", target_collection=empty, through_index=through_index)
        assert sorted(ids(found)) == expected


def test_a_text_and_itself_can_be_left_out(empty):
    english = [*ENGLISH, "Berlin  2024"]
    french = [*FRENCH, "Berlin 2024"]
    assert any(pair.source.text == english[3] for pair in mine(empty, english, french))
    found = list(mine(empty, english, french, skip_identical=True))
    assert len(found) == 3
    assert all(pair.source.text != english[3] for pair in found)


def test_texts_of_unusual_length_beside_each_other_can_be_left_out(empty):
    longer = FRENCH[1] + " Puis il a dormi, mangé, joué dans le jardin et encore dormi." * 2
    french = [FRENCH[0], longer, FRENCH[2]]
    every = mine(empty, ENGLISH, french, threshold=0.2)
    short = mine(empty, ENGLISH, french, threshold=0.2, max_length_ratio=2)
    assert len(list(every)) == 3
    assert {pair.target.text for pair in short} == {FRENCH[0], FRENCH[2]}


def test_texts_of_one_language_can_be_left_out(empty):
    copied = "I need to book a flight to Berlin tomorrow."
    english = [Document(text, f"e{i}", "en") for i, text in enumerate(ENGLISH)]
    french = [Document(text, f"f{i}", "fr") for i, text in enumerate([*FRENCH[1:], copied])]
    assert copied in {pair.target.text for pair in mine(empty, english, french)}
    found = {pair.target.text for pair in mine(empty, english, french, check_langs=True)}
    assert copied not in found
    assert FRENCH[1] in found


@pytest.mark.parametrize("texts", [([], []), ([], ["un"]), (["one"], []), (["one"], ["un"])])
def test_few_texts_or_none_are_no_error(empty, texts):
    assert len(list(mine(empty, *texts))) <= 1


def test_one_language_is_not_mined_with_itself(filled):
    with pytest.raises(UsageError, match="share 45 documents"):
        mine(filled, "en", "en")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "best"}, "method is one of max"),
        ({"measure": "dot"}, "measure is one of ratio"),
        ({"k": 0}, "k must be"),
        ({"max_length_ratio": 1}, "above 1"),
    ],
)
def test_an_option_that_is_none_is_refused(filled, wrong, words):
    with pytest.raises(UsageError, match=words):
        mine(filled, "en", "de", **wrong)


def test_texts_are_not_asked_of_an_index(empty):
    with pytest.raises(UsageError, match="languages of collections"):
        mine(empty, ENGLISH, FRENCH, through_index=True)


def test_another_embedder_on_the_other_side_is_refused(filled):
    schema = {"dimension": 256}
    with (
        Collection.open("ready", store="memory", schema=schema) as ready,
        pytest.raises(UsageError, match="different embedders"),
    ):
        mine(filled, "en", "de", target_collection=ready)


KILLED = """
import os, signal, sys
from pathlib import Path
from xlingual_qdrant import Collection
from xlingual_qdrant.queries.mining import partners
from xlingual_qdrant.queries.mining.mining import mine

partners.SLICE = partners.ASKED_AT_ONCE = 10
partners.KEEP_EVERY_S = 0.0
through_index, die_at = sys.argv[1] == "index", int(sys.argv[2])
calls = []

def watch(done, total):
    calls.append(done)
    if done >= die_at:
        os.kill(os.getpid(), signal.SIGKILL)

with Collection.open(create=False) as collection:
    found = mine(
        collection,
        "en",
        "de",
        through_index=through_index,
        checkpoint=Path("kept"),
        on_progress=watch,
    )
    print(calls[0], *(f"{p.score!r} {p.source.id} {p.target.id}" for p in found), sep="\\n")
    found.finish()
"""


@pytest.mark.parametrize("way", ["memory", "index"])
def test_what_was_killed_goes_on_and_ends_the_same(way, tmp_path):
    with Collection.open(
        settings={"stores": {"local": {"kind": "faiss", "path": str(tmp_path / "xlingual-data")}}}
    ) as c:
        c.add(sentences())

    def run(die_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", KILLED, way, str(die_at)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    whole = run(10**9)
    assert whole.returncode == 0, whole.stderr
    assert not (tmp_path / "kept").exists()
    assert run(25).returncode == -signal.SIGKILL
    assert (tmp_path / "kept").is_dir()
    again = run(10**9)
    assert again.returncode == 0, again.stderr
    first, rest = again.stdout.split("\n", 1)
    assert int(first) > 10  # what was done is not done again
    assert rest == whole.stdout.split("\n", 1)[1]
    assert not (tmp_path / "kept").exists()
