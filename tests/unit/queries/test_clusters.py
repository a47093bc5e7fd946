"""Topics across languages: grouped by what is said, whoever says it, on every store."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant import Collection, Document, load_embedder
from xlingual_qdrant.demo import corpus
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.kmeans import kmeans, sums_by
from xlingual_qdrant.queries.topics import grouping
from xlingual_qdrant.queries.topics.clusters import apply_clusters, cluster, unusual_shares
from xlingual_qdrant.queries.topics.grouping import best_count, topics_of, without_language
from xlingual_qdrant.settings import load_settings

TEXTS = {
    "en": ("The cat sleeps on the sofa.", "My cat drinks milk.", "A young cat plays."),
    "de": ("Die Katze schläft auf dem Sofa.", "Meine Katze trinkt Milch.", "Die Katze spielt."),
    "fr": ("Le chat dort sur le canapé.", "Mon chat boit du lait.", "Le jeune chat joue."),
    "es": ("El gato duerme en el sofá.", "Mi gato bebe leche.", "El gato joven juega."),
}
MONEY = {
    "en": ("The bank lends money.", "I paid the bill at the bank.", "Money is in the account."),
    "de": ("Die Bank verleiht Geld.", "Ich zahlte bei der Bank.", "Geld liegt auf dem Konto."),
    "fr": ("La banque prête de l'argent.", "J'ai payé à la banque.", "L'argent est en banque."),
    "es": ("El banco presta dinero.", "Pagué en el banco.", "El dinero está en el banco."),
}
DOCUMENTS = [
    Document(text, f"{topic}-{lang}-{at}", lang)
    for topic, texts in (("cat", TEXTS), ("money", MONEY))
    for lang, said in texts.items()
    for at, text in enumerate(said)
]


def shared_information(one, other) -> float:
    """Normalised mutual information of two ways to group, 0 to 1."""
    first = np.unique(one, return_inverse=True)[1]
    second = np.unique(other, return_inverse=True)[1]
    joint = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(joint, (first, second), 1 / len(first))

    def entropy(shares):
        return -(shares[shares > 0] * np.log(shares[shares > 0])).sum()

    apart = entropy(joint.sum(axis=0)) + entropy(joint.sum(axis=1))
    return 2 * (apart - entropy(joint.ravel())) / apart


def biased():
    """Vectors of a model that puts texts of a language together, their languages and topics."""
    documents = [document for document in DOCUMENTS for _ in range(5)]
    vectors = load_embedder("bundled").embed_documents([doc.text for doc in documents])
    langs = np.array([doc.lang for doc in documents])
    generator = np.random.default_rng(0)
    aside = generator.standard_normal((4, vectors.shape[1])).astype(np.float32)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    vectors = vectors + 1.5 * aside[np.unique(langs, return_inverse=True)[1]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, langs, np.array([doc.id.partition("-")[0] for doc in documents])


def test_topics_form_the_groups_and_not_languages():
    vectors, langs, topics = biased()
    raw = topics_of(vectors, 2, outliers=False, seed=0).labels
    assert shared_information(raw, langs) > 0.4
    assert shared_information(raw, topics) < 0.1
    centred = topics_of(without_language(vectors, langs), 2, outliers=False, seed=0).labels
    assert shared_information(centred, langs) < 0.05
    assert shared_information(centred, topics) > 0.9


def test_the_number_of_clear_groups_is_found():
    generator = np.random.default_rng(1)
    middles = generator.standard_normal((6, 64))
    rows = middles[generator.integers(0, 6, 300)] + 0.5 * generator.standard_normal((300, 64))
    points = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    assert best_count(points, 0) == 6
    unclear = generator.standard_normal((300, 64)).astype(np.float32)
    unclear /= np.linalg.norm(unclear, axis=1, keepdims=True)
    assert best_count(unclear, 0) == 12
    assert best_count(points[:1], 0) == 1


def test_a_text_like_no_other_is_an_outlier():
    generator = np.random.default_rng(1)
    middles = generator.standard_normal((3, 64))
    rows = middles[np.arange(90) % 3] + 0.3 * generator.standard_normal((90, 64))
    rows[17] = generator.standard_normal(64)
    points = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    assert np.flatnonzero(topics_of(points, 3, outliers=True, seed=0).labels < 0).tolist() == [17]
    assert topics_of(points, 3, outliers=False, seed=0).labels.min() == 0


@pytest.mark.parametrize("kind", ["memory", "faiss", "qdrant"])
def test_every_store_gives_the_same_clusters(tmp_path, kind):
    place = {"qdrant": {"location": ":memory:"}, "faiss": {"path": str(tmp_path / "store")}}
    settings = load_settings(
        overrides={"store": "here", "stores": {"here": {"kind": kind, **place.get(kind, {})}}}
    )
    with Collection.open("texts", settings=settings) as collection:
        collection.add(DOCUMENTS)
        found = cluster(collection, count=2, outliers=False)
    groups = {frozenset(id.partition("-")[0] for id in each.ids) for each in found}
    assert groups == {frozenset({"cat"}), frozenset({"money"})}
    for each in found:
        assert each.size == 12
        assert each.languages == {"de": 3, "en": 3, "es": 3, "fr": 3}
        assert each.medoid.id == each.ids[0]
        shown = [each.medoid, *each.examples]
        assert len({document.lang for document in shown}) == 4
        assert 0 < each.cohesion <= 1
        assert each.unusual == {}


def test_the_order_of_writing_does_not_matter(tmp_path):
    answers = []
    for kind, step in (("memory", 1), ("memory", -1), ("faiss", -1)):
        place = {"path": str(tmp_path / "store")} if kind == "faiss" else {}
        settings = {"store": "here", "stores": {"here": {"kind": kind, **place}}}
        with Collection.open("texts", settings=settings) as collection:
            collection.add(list(corpus())[::step])
            found = cluster(collection)
            answers.append([(each.ids, each.medoid, each.examples) for each in found])
    assert answers[0] == answers[1] == answers[2]


def test_the_number_of_groups_is_tried_with_little_work(monkeypatch):
    generator = np.random.default_rng(1)
    middles = generator.standard_normal((8, 32))
    rows = middles[np.arange(6000) % 8] + 0.5 * generator.standard_normal((6000, 32))
    points = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    work = []

    def counted(points, count, *, rounds, **options):
        work.append((len(points), rounds))
        return kmeans(points, count, rounds=rounds, **options)

    monkeypatch.setattr(grouping, "kmeans", counted)
    assert best_count(points, 0) == 8
    assert len(work) == 4 * 13
    assert set(work) == {(2000, 8)}


def test_sums_are_those_of_each_label():
    points = np.arange(12, dtype=np.float32).reshape(6, 2)
    labels = np.array([3, 0, 3, 1, 0, 3])
    expected = [[10, 12], [6, 7], [0, 0], [14, 17], [0, 0]]
    assert sums_by(labels, points, 5).tolist() == expected
    assert sums_by(labels[:0], points[:0], 2).tolist() == [[0, 0], [0, 0]]


@pytest.fixture
def demo():
    with Collection.open("demo", store="memory") as collection:
        collection.add(corpus())
        yield collection


def test_clusters_are_numbered_by_size_and_share_no_document(demo):
    found = cluster(demo)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    sizes = [each.size for each in found]
    assert sizes == sorted(sizes, reverse=True)
    ids = [id for each in found for id in each.ids]
    assert len(ids) == len(set(ids)) == sum(sizes) <= len(demo)
    assert [each.ids for each in cluster(demo)] == [each.ids for each in found]


def test_only_wanted_documents_are_grouped(demo):
    found = cluster(demo, langs=["de"], where="topic = product", min_size=1, outliers=False)
    count = demo.count(langs=["de"], where="topic = product")
    assert sum(each.size for each in found) == count
    assert cluster(demo, where="topic = nothing") == []


def test_more_clusters_than_documents_are_refused(demo):
    with pytest.raises(UsageError, match="only 227 documents match"):
        cluster(demo, count=500)


def test_applying_writes_the_numbers_and_leaves_all_else(demo):
    before = {doc.id: doc for doc in demo.documents()}
    [vector] = demo.stored.fetch_vectors(["support-de-01"])
    found = cluster(demo, count=5)
    assert apply_clusters(demo, found, "cluster") == sum(each.size for each in found)
    for each in found:
        assert demo.count(where=f"cluster = {each.number}") == each.size
    for document in demo.documents():
        rest = {key: value for key, value in document.metadata.items() if key != "cluster"}
        assert (document.text, document.lang) == (
            before[document.id].text,
            before[document.id].lang,
        )
        assert rest == before[document.id].metadata
    [after] = demo.stored.fetch_vectors(["support-de-01"])
    assert np.allclose(vector, after, atol=1e-6)


def test_a_field_for_words_takes_no_numbers():
    schema = {"fields": {"label": "keyword"}}
    with Collection.open("texts", store="memory", schema=schema) as collection:
        collection.add(DOCUMENTS)
        with pytest.raises(UsageError, match="declared as keyword"):
            apply_clusters(collection, cluster(collection, count=2), "label")


def test_a_share_is_unusual_only_where_chance_does_not_explain_it():
    assert unusual_shares({"de": 3, "fr": 1}, {"de": 50, "fr": 50}) == {}
    found = unusual_shares({"de": 90, "fr": 10}, {"de": 500, "fr": 500})
    assert found == {"fr": pytest.approx(0.2), "de": pytest.approx(1.8)}
