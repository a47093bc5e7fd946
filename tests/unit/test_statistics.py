"""Samples of languages: random, the same on every way, and following what happens."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant import Collection
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.statistics import SAMPLE, STATE, Statistics, ranks_of

COUNT = 1000
IDS = [f"doc-{number}" for number in range(COUNT)]
LANGS = ["de" if number % 2 else "fr" for number in range(COUNT)]


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    made = np.random.default_rng(0).normal(size=(COUNT, 8)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.fixture
def filled(vectors: NDArray[np.float32]) -> Collection:
    return refilled(MemoryStore(), vectors)


def refilled(store: MemoryStore, vectors: NDArray[np.float32]) -> Collection:
    collection = Collection.open("t", store=store, schema={"dimension": 8})
    documents = [{"id": id, "text": id, "lang": lang} for id, lang in zip(IDS, LANGS, strict=True)]
    collection.add(documents, vectors=vectors)
    return collection


def ids_of(collection: Collection) -> set[str]:
    collection.flush()
    kept = collection.stored.read_state(STATE)
    assert kept is not None
    statistics = Statistics.from_bytes(kept)
    assert statistics is not None
    return statistics.sampled_ids()


def test_a_sample_does_not_depend_on_the_order_or_the_portions(
    vectors: NDArray[np.float32],
) -> None:
    whole, parts = Statistics("e", 8), Statistics("e", 8)
    whole.take(IDS, LANGS, vectors)
    for start in reversed(range(0, COUNT, 70)):
        part = slice(start, start + 70)
        parts.take(IDS[part], LANGS[part], vectors[part])
    assert whole.sampled_ids() == parts.sampled_ids()
    assert {tag: len(sample.rows) for tag, sample in whole.samples.items()} == {
        "de": SAMPLE,
        "fr": SAMPLE,
    }


def test_two_samples_join_to_that_of_both(vectors: NDArray[np.float32]) -> None:
    whole, one, other = (Statistics("e", 8) for _ in range(3))
    whole.take(IDS, LANGS, vectors)
    one.take(IDS[:600], LANGS[:600], vectors[:600])
    other.take(IDS[400:], LANGS[400:], vectors[400:])
    assert one.merged(other, ()).sampled_ids() == whole.sampled_ids()


def test_what_is_kept_is_read_again(vectors: NDArray[np.float32]) -> None:
    made = Statistics("e", 8)
    made.take(IDS, LANGS, vectors)
    made.hear(["en", "de", "en"], vectors[:3])
    again = Statistics.from_bytes(made.to_bytes())
    assert again is not None
    assert again.info() == made.info()
    assert np.allclose(again.asked["en"].total, made.asked["en"].total)
    assert np.allclose(again.samples["de"].vectors, made.samples["de"].vectors)


def test_ranks_are_spread_evenly() -> None:
    shares = np.histogram(ranks_of(IDS * 1), bins=4, range=(0, 2**32))[0] / COUNT
    assert shares.min() > 0.2


def test_a_collection_that_is_written_and_deleted_has_the_sample_of_what_is_left(
    filled: Collection, vectors: NDArray[np.float32]
) -> None:
    filled.delete(IDS[:100])
    filled.delete(where="id in (doc-101, doc-102, doc-103)")
    filled.add({"id": "doc-104", "text": "now Japanese", "lang": "ja"}, vectors=[vectors[0]])
    kept = ids_of(filled)
    assert not kept & {*IDS[:100], "doc-101", "doc-102", "doc-103"}
    assert filled.statistics().sampled["ja"] == 1
    followed = filled.statistics()
    recomputed = filled.recompute_statistics()
    # Members that went are made up for when the sample is made again, not at once.
    assert kept <= ids_of(filled)
    assert followed.sampled["de"] <= recomputed.sampled["de"] == SAMPLE


def test_another_process_may_write_in_between(vectors: NDArray[np.float32]) -> None:
    store = MemoryStore()
    one = Collection.open("t", store=store, schema={"dimension": 8})
    other = Collection.open("t", store=store)
    one.add([{"id": "a", "text": "a", "lang": "de"}], vectors=vectors[:1])
    other.add([{"id": "b", "text": "b", "lang": "fr"}], vectors=vectors[1:2])
    one.flush()
    other.flush()
    assert Collection.open("t", store=store).statistics().sampled == {"de": 1, "fr": 1}


def test_documents_that_were_written_otherwise_are_sampled_when_it_matters(
    filled: Collection,
) -> None:
    filled.flush()
    filled.stored.write_state(STATE, None)
    assert Collection(filled.stored).statistics().sampled == {"de": SAMPLE, "fr": SAMPLE}
    assert filled.stored.read_state(STATE) is None  # looking writes nothing


def test_statistics_of_another_version_are_made_again(filled: Collection) -> None:
    filled.stored.write_state(STATE, Statistics("another embedder", 8).to_bytes())
    assert Collection(filled.stored).statistics().sampled == {"de": SAMPLE, "fr": SAMPLE}


def test_queries_are_forgotten_on_request(filled: Collection, vectors: NDArray[np.float32]) -> None:
    learned = filled.learn_queries(vectors[:30], lang="en")
    assert learned.asked == learned.balanced == {"en": 30}
    filled.learn_queries(vectors[30:32], lang="ja")
    assert filled.statistics().asked == {"en": 30, "ja": 2}
    assert filled.statistics().balanced == {"en": 30}
    filled.forget_queries()
    assert filled.statistics().asked == {}
    assert Collection(filled.stored).statistics().asked == {}
    assert filled.statistics().sampled == {"de": SAMPLE, "fr": SAMPLE}


def test_the_same_samples_give_the_same_bytes(vectors: NDArray[np.float32]) -> None:
    whole, parts = Statistics("e", 8), Statistics("e", 8)
    whole.take(IDS, LANGS, vectors)
    for start in reversed(range(0, COUNT, 70)):
        part = slice(start, start + 70)
        parts.take(IDS[part], LANGS[part], vectors[part])
    assert whole.to_bytes() == parts.to_bytes()
    read = Statistics.from_bytes(parts.to_bytes())
    assert read is not None
    assert read.to_bytes() == whole.to_bytes()


def test_damaged_statistics_are_made_again(filled: Collection) -> None:
    filled.flush()
    kept = filled.stored.read_state(STATE)
    assert kept is not None
    for damaged in (b"", b"garbage", kept[: len(kept) // 2]):
        assert Statistics.from_bytes(damaged) is None
        filled.stored.write_state(STATE, damaged)
        reader = Collection(filled.stored)
        assert reader.statistics().sampled == {"de": SAMPLE, "fr": SAMPLE}
        reader.add({"id": "more", "text": "more", "lang": "ja"}, vectors=[[1.0] * 8])
        reader.flush()
        assert reader.statistics().sampled == {"de": SAMPLE, "fr": SAMPLE, "ja": 1}
        reader.delete("more")


def test_what_was_written_before_an_error_is_in_the_statistics(filled: Collection) -> None:
    filled.flush()
    failing = Collection(filled.stored)
    document = {"id": "last", "text": "last", "lang": "ja"}
    with pytest.raises(RuntimeError), failing:
        raise RuntimeError(failing.add(document, vectors=[[1.0] * 8]))
    assert "last" in kept_ids(filled)


def kept_ids(collection: Collection) -> set[str]:
    kept = collection.stored.read_state(STATE)
    assert kept is not None
    found = Statistics.from_bytes(kept)
    assert found is not None
    return found.sampled_ids()


def test_many_deletions_are_not_all_remembered(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xlingual_qdrant.kept_statistics._MANY", 10)
    filled.flush()
    before = sorted(kept_ids(filled))
    filled.delete([f"never-{number}" for number in range(50)])
    assert not filled._statistics._gone
    filled.delete([*before[:3], *(f"never-{number}" for number in range(50))])
    filled.flush()
    assert kept_ids(filled).isdisjoint(before[:3])


def test_documents_are_sampled_once_for_all_searches(
    filled: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[object] = []
    reader = Collection(filled.stored)
    scan = reader.stored.scan

    def counted(*args: object, **options: object) -> object:
        scans.append(args)
        return scan(*args, **options)

    monkeypatch.setattr(reader.stored, "scan", counted)
    for number in range(3):
        reader.add({"id": f"n{number}", "text": "n", "lang": "ja"}, vectors=[[1.0] * 8])
        reader.search([1.0] * 8, prefer="neutral")
    assert len(scans) == 1
    assert reader.statistics().sampled["ja"] == 3
