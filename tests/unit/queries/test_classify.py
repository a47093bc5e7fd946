"""Texts sorted by labels that were learned in another language."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import (
    FileUnavailable,
    FormatTooNew,
    InvalidInput,
    UnreadableFile,
    UsageError,
)
from xlingual_qdrant.queries.classification.classifier import Classifier, Prediction
from xlingual_qdrant.queries.classification.files import load_classifier, save_classifier
from xlingual_qdrant.queries.classification.labelling import classify_collection, label_collection
from xlingual_qdrant.queries.classification.language_centres import centred, language_centres
from xlingual_qdrant.queries.classification.thresholds import NEVER, least_thresholds
from xlingual_qdrant.queries.classification.transfer_report import transfer_report

FOOD = ["The soup is too salty.", "Bake the bread for an hour.", "We had rice and fish for dinner."]
TRAVEL = ["The train leaves at noon.", "Our flight was delayed.", "The bus stops at the station."]
TEXTS, LABELS = [*FOOD, *TRAVEL], ["food"] * 3 + ["travel"] * 3
FOREIGN = {
    "Die Suppe ist zu salzig.": ("de", "food"),
    "Le train part à midi.": ("fr", "travel"),
    "Il pane è nel forno.": ("it", "food"),
    "Nuestro vuelo se retrasó.": ("es", "travel"),
}
STORES: dict[str, dict[str, Any]] = {
    "memory": {"kind": "memory"},
    "faiss": {"kind": "faiss", "path": "data"},
    "qdrant": {"kind": "qdrant", "location": ":memory:"},
}


EMBEDDER = load_embedder()


def right(classifier: Classifier) -> bool:
    return classifier.predict(list(FOREIGN)) == [label for _, label in FOREIGN.values()]


@pytest.fixture
def fitted() -> Classifier:
    return Classifier.fit(TEXTS, LABELS, embedder=EMBEDDER)


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return opened("memory", tmp_path)


def opened(kind: str, folder: Path) -> Collection:
    settings = dict(STORES[kind])
    if "path" in settings:
        settings["path"] = str(folder / "data")
    made = Collection.open(embedder=EMBEDDER, settings={"store": "s", "stores": {"s": settings}})
    made.add(
        {"id": f"{label}-{n}", "text": text, "lang": "en", "metadata": {"topic": label}}
        for n, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    )
    made.add({"id": text, "text": text, "lang": lang} for text, (lang, _) in FOREIGN.items())
    return made


# ---------------------------------------------------------------- making


@pytest.mark.parametrize("method", ["both", "logistic", "knn"])
def test_labels_learned_in_english_hold_in_other_languages(method: Any) -> None:
    assert right(Classifier.fit(TEXTS, LABELS, method=method, embedder=EMBEDDER))


def test_descriptions_take_the_place_of_examples() -> None:
    made = Classifier.from_descriptions(
        {
            "food": ["cooking and eating: soup, bread, fish", "Kochen und Essen"],
            "travel": "going by train, bus or plane",
        }
    )
    assert right(made)


def test_probabilities_have_a_column_for_each_class_in_order(fitted: Classifier) -> None:
    found = fitted.predict_proba([*FOREIGN])
    assert fitted.classes == ["food", "travel"]
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_no_texts_give_no_predictions(fitted: Classifier) -> None:
    assert fitted.predict([]) == []
    assert fitted.predict_proba([]).shape == (0, 2)
    assert fitted.classify([]) == []


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0, 0, 0, 1, 1, 1], [0, 1]), ([False] * 3 + [True] * 3, [False, True])],
)
def test_numbers_and_truth_values_are_labels_and_stay_what_they_are(
    labels: list[int], classes: list[int]
) -> None:
    made = Classifier.fit(TEXTS, labels, embedder=EMBEDDER)
    assert made.classes == classes
    assert [type(label) for label in made.classes] == [type(label) for label in classes]
    assert Classifier.fit(TEXTS, np.array(labels), embedder=EMBEDDER).classes == classes  # type: ignore[arg-type]


def test_a_prediction_says_how_sure_it_is_and_of_what_language(fitted: Classifier) -> None:
    [found] = fitted.classify(["Die Suppe ist zu salzig."])
    assert isinstance(found, Prediction)
    assert (found.label, found.best, found.runner_up) == ("food", "food", "travel")
    assert found.lang == "de"
    assert 0.5 < found.probability <= 1
    assert found.probability + found.runner_up_probability == pytest.approx(1)
    assert fitted.classify(["Soup"], lang="sv")[0].lang == "sv"


def test_composed_and_decomposed_letters_are_classified_alike(fitted: Classifier) -> None:
    pair = ["Die Br\u00fche ist salzig.", "Die Bru\u0308he ist salzig."]
    one, other = fitted.predict_proba(pair)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        (TEXTS, LABELS[:5], "6 texts and 5 labels"),
        (TEXTS, ["food"] * 6, "two different labels; only 'food'"),
        ([], [], "two different labels; there is none"),
        (TEXTS, [1, "a", 1, 1, 1, 1], "types int and str"),
        (TEXTS, [0.5, 1, 1, 1, 1, 1], "label 0: a label is a string, a whole number"),
        (TEXTS, ["", "a", "a", "a", "a", "a"], "label 0: the label is empty"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_words(
    texts: list[str], labels: list[Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        Classifier.fit(texts, labels, embedder=EMBEDDER)


def test_a_text_that_is_none_is_named_by_its_number(fitted: Classifier) -> None:
    with pytest.raises(InvalidInput, match="text 1 cannot be classified"):
        fitted.predict(["good", "  "])
    with pytest.raises(UsageError, match="give a list of one"):
        fitted.predict("a text alone")


def test_wrong_options_are_refused(fitted: Classifier, collection: Collection) -> None:
    with pytest.raises(UsageError, match="method is one of both, logistic, knn, not 'svm'"):
        Classifier.fit(TEXTS, LABELS, method="svm")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not both"):
        Classifier.fit(TEXTS, LABELS, collection=collection, embedder="bundled")
    with pytest.raises(UsageError, match="k must be a whole number"):
        Classifier.fit(TEXTS, LABELS, method="knn", k=0)
    with pytest.raises(UsageError, match="2 languages for 6 texts"):
        Classifier.fit(TEXTS, LABELS, lang=["en", "de"])
    with pytest.raises(UsageError, match="'food' has no description"):
        Classifier.from_descriptions({"food": [], "travel": "trains"})
    with pytest.raises(UsageError, match="fit it with centres"):
        fitted.predict(TEXTS, transductive=True)


# ---------------------------------------------------------------- being sure


def test_below_its_threshold_a_label_is_not_given(fitted: Classifier) -> None:
    fitted.thresholds = {"food": 0.99}
    assert fitted.predict(["Die Suppe ist zu salzig.", "Le train part à midi."]) == [
        None,
        "travel",
    ]
    fitted.abstain = "other"
    [found] = fitted.classify(["Die Suppe ist zu salzig."])
    assert (found.label, found.best) == ("other", "food")
    fitted.thresholds = 0.0
    assert fitted.thresholds == {"food": 0, "travel": 0}
    with pytest.raises(UsageError, match="no label is 'foot'"):
        fitted.thresholds = {"foot": 0.5}
    with pytest.raises(UsageError, match="is a probability, not 7"):
        fitted.thresholds = 7


def test_thresholds_are_learned_for_a_wanted_precision(fitted: Classifier) -> None:
    texts = [*FOREIGN, "Il fait beau.", "Ich bin müde."] * 4
    labels = [*(label for _, label in FOREIGN.values()), "travel", "food"] * 4
    least = fitted.learn_thresholds(texts, labels, precision=0.9)
    found = fitted.predict(texts)
    answered = [(a, b) for a, b in zip(found, labels, strict=True) if a is not None]
    assert answered
    assert np.mean([a == b for a, b in answered]) >= 0.9
    assert set(least.values()) == {*fitted.thresholds.values()}
    with pytest.raises(UsageError, match="precision is a share"):
        fitted.learn_thresholds(texts, labels, precision=90)


def test_a_threshold_keeps_as_many_answers_as_the_precision_allows() -> None:
    sure = np.linspace(1, 0.1, 10, dtype=np.float32)
    hits = np.array([1, 1, 1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    assert least_thresholds(sure, hits, None, 2, 0.8) == [pytest.approx(0.6)] * 2
    assert least_thresholds(sure, ~hits, None, 1, 0.9) == [NEVER]
    assert least_thresholds(sure[:0], hits[:0], None, 1, 0.5) == [NEVER]
    groups = np.array([0, 1] * 5)
    assert least_thresholds(sure, hits, groups, 2, 0.75)[0] == pytest.approx(0.4, abs=0.3)


def test_answers_of_equal_probability_are_taken_together() -> None:
    sure = np.full(10, 0.7, dtype=np.float32)
    hits = np.array([1] * 9 + [0], dtype=bool)
    assert least_thresholds(sure, hits, None, 1, 0.95) == [NEVER]


# ---------------------------------------------------------------- centring


def test_a_centred_classifier_sees_each_language_from_its_middle(collection: Collection) -> None:
    centres = {"en": np.zeros(256, np.float32), "de": np.full(256, 0.5, np.float32)}
    vectors = EMBEDDER.embed_documents(["one", "zwei", "zwei"])
    moved = centred(vectors, ["en", "de", "de-AT"], centres, "en")
    np.testing.assert_allclose(moved[0], vectors[0], atol=1e-6)
    np.testing.assert_array_equal(moved[1], moved[2])
    assert not np.allclose(moved[1], vectors[1])
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    assert right(Classifier.fit(TEXTS, LABELS, centres={}, embedder=EMBEDDER))
    assert language_centres(collection) == {}
    collection.add({"text": f"Satz {n}", "lang": "de"} for n in range(20))
    assert list(language_centres(collection)) == ["de"]


def test_only_on_demand_a_text_depends_on_its_neighbours() -> None:
    made = Classifier.fit(TEXTS, LABELS, centres={}, embedder=EMBEDDER)
    texts = [f"{text} {n}" for n in range(6) for text in FOREIGN]
    alone = made.predict_proba(texts[:1], lang="de")
    among = made.predict_proba(texts, lang="de")
    np.testing.assert_allclose(alone[0], among[0], atol=1e-6)
    moved = made.predict_proba(texts, lang="de", transductive=True)
    assert not np.allclose(moved[0], among[0], atol=1e-4)


# ---------------------------------------------------------------- collections


def test_every_store_gives_the_same_answer(tmp_path: Path) -> None:
    answers = []
    for kind in STORES:
        with opened(kind, tmp_path) as collection:
            asked = Classifier.from_collection(collection, label="topic")
            learned = Classifier.from_collection(collection, label="topic", method="logistic")
            own = [(d.id, p.label) for d, p in classify_collection(asked, collection)]
            found = [*asked.predict([*FOREIGN]), *learned.predict([*FOREIGN])]
            answers.append((found, sorted(own), asked.predict_proba(TEXTS).round(4).tolist()))
            assert right(asked)
            assert right(learned)
    assert answers[0] == answers[1] == answers[2]


def test_a_collection_that_is_asked_and_a_copy_of_it_agree(collection: Collection) -> None:
    asked = Classifier.from_collection(collection, label="topic", exact=True)
    copied = Classifier.from_collection(collection, label="topic", method="knn", copied=True)
    np.testing.assert_allclose(
        asked.predict_proba([*FOREIGN]), copied.predict_proba([*FOREIGN]), atol=1e-5
    )


def test_what_is_added_later_counts_at_once(collection: Collection) -> None:
    asked = Classifier.from_collection(collection, label="topic")
    collection.add({"text": "The goalkeeper missed the ball.", "metadata": {"topic": "sport"}})
    assert asked.predict(["Der Torwart hat den Ball verfehlt."]) == ["sport"]
    assert asked.classes == ["food", "travel", "sport"]
    assert asked.predict_proba(["Ball"]).shape == (1, 3)


def test_a_document_has_no_say_in_its_own_case(collection: Collection) -> None:
    collection.add(
        {"id": "odd", "text": "Dinner is fish and rice.", "metadata": {"topic": "travel"}}
    )
    asked = Classifier.from_collection(collection, label="topic")
    found = {document.id: each for document, each in classify_collection(asked, collection)}
    assert found["odd"].label == "food"


def test_languages_and_conditions_choose_who_is_learned_from(collection: Collection) -> None:
    collection.add([{"text": "Der Zug", "lang": "de", "metadata": {"topic": "food", "bad": 1}}])
    for method in ("knn", "logistic"):
        made = Classifier.from_collection(collection, label="topic", langs="en", method=method)
        assert made.learned == [3, 3]
        made = Classifier.from_collection(
            collection, label="topic", where="bad is missing", method=method
        )
        assert made.learned == [3, 3]
    with pytest.raises(UsageError, match="no document of collection 'documents' that matches"):
        Classifier.from_collection(collection, label="topick")
    collection.add([{"id": "list", "text": "A list", "metadata": {"topic": ["a", "b"]}}])
    with pytest.raises(UsageError, match="field 'topic' of document 'list': a label is"):
        Classifier.from_collection(collection, label="topic")


def test_labels_are_written_only_when_they_are_to_be(
    fitted: Classifier, collection: Collection
) -> None:
    dry = label_collection(fitted, collection, "class", where="topic is missing")
    assert (dry.applied, dry.matched, dry.changed) == (False, 4, 4)
    assert all("class" not in document.metadata for document in collection.documents())
    before = {document.id: vector for document, vector in collection.documents(with_vectors=True)}
    done = label_collection(fitted, collection, "class", where="topic is missing", apply=True)
    assert done.changed == 4
    for text, (_, label) in FOREIGN.items():
        document = collection.get(text)
        assert document is not None
        assert document.metadata == {"class": label}
    for document, vector in collection.documents(with_vectors=True):
        np.testing.assert_array_equal(vector, before[document.id])
    again = label_collection(fitted, collection, "class", where="topic is missing", apply=True)
    assert (again.changed, again.unchanged) == (0, 4)
    fitted.thresholds = 1.0
    silent = label_collection(fitted, collection, "class", apply=True)
    assert (silent.matched, silent.abstained) == (10, 10)


def test_divided_documents_stay_divided_when_they_get_a_label() -> None:
    settings = {"store": "memory", "long_texts": "chunk"}
    with Collection.open(settings=settings, embedder=EMBEDDER) as collection:
        collection.add([{"id": "long", "text": " ".join(FOOD * 60), "lang": "en"}])
        parts = collection.info().chunks
        assert parts > 0
        made = Classifier.fit(TEXTS, LABELS, collection=collection)
        label_collection(made, collection, "class", apply=True)
        assert collection.info().chunks == parts
        document = collection.get("long")
        assert document is not None
        assert document.metadata == {"class": "food"}


def test_vectors_of_another_embedder_are_refused(fitted: Classifier) -> None:
    with Collection.open(
        "ready", settings={"store": "memory"}, schema={"dimension": 3}
    ) as collection:
        collection.add(["a"], vectors=[[1, 0, 0]])
        with pytest.raises(UsageError, match="holds vectors of 3 dimensions"):
            list(classify_collection(fitted, collection))


# ---------------------------------------------------------------- files


def test_saved_classifiers_predict_the_same_in_another_process(tmp_path: Path) -> None:
    made = {
        "both": Classifier.fit(TEXTS, LABELS, embedder=EMBEDDER),
        "logistic": Classifier.fit(TEXTS, LABELS, method="logistic", embedder=EMBEDDER),
        "knn": Classifier.fit(TEXTS, LABELS, method="knn", embedder=EMBEDDER),
        "zero-shot": Classifier.from_descriptions(
            {"food": FOOD, "travel": TRAVEL}, embedder=EMBEDDER
        ),
        "centred": Classifier.fit(
            TEXTS, LABELS, centres={"de": np.full(256, 0.01, np.float32)}, embedder=EMBEDDER
        ),
    }
    here: list[Any] = []
    for name, each in made.items():
        each.thresholds, each.abstain = {"food": 0.5}, "none"
        save_classifier(each, tmp_path / name)
        here.append(known_of(each))
    code = (
        "import json, sys; from pathlib import Path;"
        "from xlingual_qdrant.queries.classification.files import load_classifier;"
        f"made = [load_classifier(Path({str(tmp_path)!r}) / name) for name in {list(made)!r}];"
        f"print(json.dumps([[m.predict_proba({list(FOREIGN)!r}, lang='de').tolist(),"
        "m.classes, m.learned, m.thresholds, m.abstain, m.lang] for m in made]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == here


def known_of(made: Classifier) -> list[Any]:
    found = made.predict_proba(list(FOREIGN), lang="de").tolist()
    return [found, made.classes, made.learned, made.thresholds, made.abstain, made.lang]


def test_the_same_classifier_is_the_same_file(fitted: Classifier, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_classifier(fitted, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_damaged_and_foreign_files_are_told_from_classifiers(
    fitted: Classifier, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    save_classifier(fitted, good)
    with pytest.raises(FileUnavailable, match="there is no such file"):
        load_classifier(tmp_path / "nothing")
    with pytest.raises(FileUnavailable, match=r"[Dd]irectory"):
        load_classifier(tmp_path)
    whole = good.read_bytes()
    for name, content in {
        "empty": b"",
        "text": b"text,label\n",
        "short": whole[: len(whole) // 2],
        "changed": whole.replace(b"NUMPY", b"NUMPI", 1),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableFile, match="damaged"):
            load_classifier(tmp_path / name)


def rewritten(good: Path, changes: dict[str, Any], drop: str = "") -> Path:
    """Write a classifier anew, with another card or without a member."""
    other = good.with_name("rewritten")
    with zipfile.ZipFile(good) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "classifier.json":
                data = json.dumps({**json.loads(data), **changes}).encode()
            if name != drop:
                new.writestr(name, data)
    return other


def test_what_does_not_fit_together_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    good = tmp_path / "good"
    save_classifier(fitted, good)
    with pytest.raises(UnreadableFile, match="no classifier is in it"):
        load_classifier(rewritten(good, {}, drop="classifier.json"))
    with pytest.raises(UnreadableFile, match="'weights' is missing"):
        load_classifier(rewritten(good, {}, drop="weights.npy"))
    with pytest.raises(UnreadableFile, match=r"shape \(256, 2\), not \(256, 3\)"):
        load_classifier(rewritten(good, {"classes": ["a", "b", "c"]}))
    with pytest.raises(UnreadableFile, match="judge"):
        load_classifier(rewritten(good, {"judge": "oracle"}))
    with pytest.raises(UnreadableFile, match="one threshold for each class"):
        load_classifier(rewritten(good, {"thresholds": [0.1]}))
    with pytest.raises(FormatTooNew, match="format version 99"):
        load_classifier(rewritten(good, {"format_version": 99, "news": 1}))


def test_another_embedder_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    good = tmp_path / "good"
    save_classifier(fitted, good)
    with zipfile.ZipFile(good) as kept:
        fingerprint = json.loads(kept.read("classifier.json"))["embedder"]
    fingerprint["probes"] = [row[::-1] for row in fingerprint["probes"]]
    with pytest.raises(UsageError, match=r"was made with the embedder .* probe sentences"):
        load_classifier(rewritten(good, {"embedder": fingerprint}))


def test_a_classifier_that_asks_a_collection_is_not_saved(
    collection: Collection, tmp_path: Path
) -> None:
    asked = Classifier.from_collection(collection, label="topic")
    with pytest.raises(UsageError, match="asks its collection"):
        save_classifier(asked, tmp_path / "asked")
    save_classifier(
        Classifier.from_collection(collection, label="topic", copied=True), tmp_path / "copied"
    )
    assert right(load_classifier(tmp_path / "copied", collection=collection))


def test_objects_of_python_are_not_unpacked(fitted: Classifier, tmp_path: Path) -> None:
    good = tmp_path / "good"
    save_classifier(fitted, good)
    bad = rewritten(good, {}, drop="offsets.npy")
    with zipfile.ZipFile(bad, "a") as archive, archive.open("offsets.npy", "w") as member:
        np.lib.format.write_array(member, np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFile, match="an array in it is damaged"):
        load_classifier(bad)


# ---------------------------------------------------------------- reports


def test_a_report_counts_by_language_and_measures_the_gap() -> None:
    truth = ["a", "b", "a", "b", "a", "b"]
    given = ["a", "b", "a", "a", None, "b"]
    made = transfer_report(truth, given, ["en", "en", "de", "de", "fr", "fr"])
    assert [score.lang for score in made.languages] == ["en", "de", "fr"]
    english, german, french = made.languages
    assert (english.accuracy, german.accuracy, french.accuracy) == (1, 0.5, 0.5)
    assert (made.mean, made.gap) == (0.5, 0.5)
    assert (german.gap, german.macro_f1) == (0.5, pytest.approx(1 / 3))
    assert (french.abstained, french.precision, french.macro_f1) == (1, 1.0, 0.5)
    assert made.total.n == 6
    assert made.confusion == {("a", "a"): 2, ("a", None): 1, ("b", "a"): 1, ("b", "b"): 2}
    assert json.dumps(made.to_json())


def test_few_texts_give_a_wide_interval() -> None:
    few = transfer_report(["a", "b"], ["a", "b"], ["und", "und"], lang="und").total
    many = transfer_report(["a", "b"] * 500, ["a", "b"] * 500, ["und"] * 1000).total
    assert few.low < 0.5 < many.low < few.high == 1.0


def test_the_label_of_abstaining_is_no_answer_unless_it_is_a_true_one() -> None:
    made = transfer_report(["a", "b"], ["a", "other"], ["de", "de"], abstain="other")
    assert (made.total.abstained, made.gap) == (1, None)
    made = transfer_report(["a", "other"], ["a", "other"], ["de", "de"], abstain="other")
    assert (made.total.abstained, made.total.accuracy) == (0, 1)
    with pytest.raises(UsageError, match="no labelled text"):
        transfer_report([], [], [])
    with pytest.raises(UsageError, match="one of each"):
        transfer_report(["a"], [], [])
