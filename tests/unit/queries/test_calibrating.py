"""What scores mean is learned from pairs, or from the documents themselves."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.calibration import (
    ANY,
    SAME,
    Cut,
    is_same,
    read_calibration,
    shipped_calibration,
)
from xlingual_qdrant.errors import InvalidInput, MissingExtra, UnknownColumn, UsageError
from xlingual_qdrant.guide.texts import sample
from xlingual_qdrant.parallel.reading import PairColumns
from xlingual_qdrant.queries.plots.reliability import plot_reliability
from xlingual_qdrant.queries.scores import calibrating, unlabelled_pairs
from xlingual_qdrant.queries.scores.calibrating import calibrate
from xlingual_qdrant.queries.scores.cuts import (
    Scored,
    best_threshold,
    calibration_error,
    f1_at,
    learn_cuts,
    platt,
    reliability,
)
from xlingual_qdrant.queries.scores.labelled_pairs import LabelledPair, read_labelled
from xlingual_qdrant.queries.scores.partners import Partners, nearest_wrong, with_nearest_wrong

PAIRS = [(pair.text, pair.translation, pair.lang) for pair in sample(60)]
GERMAN = [(text, english) for text, english, lang in PAIRS if lang == "de"]
SWEDISH = [(text, english) for text, english, lang in PAIRS if lang == "sv"]


def scored(scores, same, rows=None) -> Scored:
    n = len(scores)
    places = np.arange(n) if rows is None else np.array(rows)
    return Scored(np.array(scores, dtype=float), np.array(same, dtype=bool), np.ones(n), places)


def overlapping(middle: float, count: int = 400, seed: int = 0) -> Scored:
    """Scores of pairs whose probability is known: 1 / (1 + exp(-20 (score - middle)))."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(middle - 0.3, middle + 0.3, count)
    return scored(scores, rng.random(count) < 1 / (1 + np.exp(-20 * (scores - middle))))


# ---------------------------------------------------------------- the arithmetic


def test_the_curve_that_made_the_labels_is_found() -> None:
    curve = platt(overlapping(0.5, 20_000))
    assert curve.slope == pytest.approx(20, rel=0.05)
    assert -curve.offset / curve.slope == pytest.approx(0.5, abs=0.005)


def test_the_curve_is_finite_where_the_two_kinds_do_not_overlap() -> None:
    curve = platt(scored([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]))
    assert np.isfinite(curve).all()
    assert curve.probabilities(np.array([0.1, 0.9])) == pytest.approx([0.25, 0.75], abs=0.05)


def test_the_curve_never_falls() -> None:
    assert platt(scored([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0])).slope == 0


@pytest.mark.parametrize(
    ("scores", "same", "threshold", "f1"),
    [
        ([0.9, 0.8, 0.3, 0.2], [1, 1, 0, 0], 0.55, 1.0),
        ([0.9, 0.8, 0.7, 0.2], [1, 0, 1, 0], 0.45, 0.8),
        ([0.9, 0.9, 0.9, 0.2], [1, 1, 0, 0], 0.55, 0.8),
        ([0.5, 0.5], [1, 0], 0.4995, 2 / 3),
    ],
)
def test_the_threshold_has_the_highest_f1(scores, same, threshold, f1) -> None:
    pairs = scored(scores, same)
    assert best_threshold(pairs) == pytest.approx(threshold)
    assert f1_at(pairs, best_threshold(pairs)) == pytest.approx(f1)


def test_without_a_right_pair_the_threshold_is_above_all() -> None:
    assert best_threshold(scored([0.3, 0.9], [0, 0])) > 0.9


def test_a_small_sample_leans_on_the_others_and_a_large_one_does_not() -> None:
    large = {f"{lang}|en": overlapping(0.5, seed=n) for n, lang in enumerate(("de", "fr", "it"))}
    few = overlapping(0.8, 4, seed=9)
    many = overlapping(0.8, 4_000, seed=9)
    thresholds = [
        learn_cuts({**large, "en|sw": sample}).cuts["en|sw"].threshold for sample in (few, many)
    ]
    assert abs(thresholds[0] - 0.5) < 0.1
    assert abs(thresholds[1] - 0.78) < 0.05


def test_languages_and_texts_of_one_language_are_learned_apart() -> None:
    learned = learn_cuts({"de|en": overlapping(0.4), "de-AT|de": overlapping(0.7)})
    assert learned.cuts[ANY].threshold < 0.5 < 0.6 < learned.cuts[SAME].threshold
    assert calibration_error(learned.bins) < 0.1


def test_f1_is_measured_on_pairs_that_were_not_learned_from() -> None:
    # Labels by chance: what was learned from would look better than half.
    rng = np.random.default_rng(0)
    chance = scored(rng.random(300), rng.random(300) < 0.5)
    found = learn_cuts({"de|en": chance}).cuts["de|en"]
    assert found.f1 is not None
    assert found.f1 <= f1_at(chance, best_threshold(chance)) + 1e-4
    assert learn_cuts({"de|en": overlapping(0.5, 6)}).cuts["de|en"].f1 is None


def test_bins_say_what_was_predicted_and_what_was_met() -> None:
    bins = reliability(np.array([0.05, 0.95, 0.97, 1.0]), np.array([0, 1, 1, 0]), np.ones(4))
    assert [(each.pairs, each.observed) for each in bins] == [
        (1, 0),
        (3, pytest.approx(2 / 3, 1e-3)),
    ]
    assert calibration_error(bins) == pytest.approx((0.05 + 3 * (2.92 / 3 - 2 / 3)) / 4, abs=1e-3)
    assert calibration_error([]) == 0


def test_partners_are_never_taken_for_wrong_ones() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    groups = np.array([0, 0, 1, 2])
    found = with_nearest_wrong(Partners(vectors, vectors, groups))["cosine"]
    assert found.scores[found.same].tolist() == [1, 1, 1, 1]
    assert found.scores[~found.same].tolist() == [0] * 8
    assert nearest_wrong(vectors, np.vstack([vectors, vectors[:1]]), groups)[0] == 4


# ---------------------------------------------------------------- a collection


@pytest.fixture
def collection():
    with Collection.open(store="memory") as opened:
        yield opened


def test_translations_alone_are_enough(collection) -> None:
    learned = calibrate(collection, GERMAN + SWEDISH, langs=None)
    assert read_calibration(collection.stored) == learned
    assert {"de|en", "en|sv", ANY} <= learned.cuts["cosine"].keys()
    cut = learned.cut("cosine", "en", "de")
    assert cut is not None
    assert cut.f1 is not None
    assert 0.3 < cut.threshold < 0.7
    assert cut.f1 > 0.85
    assert cut.method == "labels"


def test_what_side_a_language_is_on_does_not_matter(collection) -> None:
    there = calibrate(collection, GERMAN, langs=("de", "en"))
    mixed = [
        LabelledPair(right, left, True, "en", "de-AT") if row % 2 else (left, right)
        for row, (left, right) in enumerate(GERMAN)
    ]
    assert calibrate(collection, mixed, langs=("de", "en")).cuts == there.cuts


def test_labels_decide_where_there_are_some(collection) -> None:
    # Whoever calls only the same words the same has a high threshold.
    pairs = [LabelledPair(text, english, False, "de", "en") for text, english in GERMAN]
    pairs += [LabelledPair(text, text + " ", True, "de", "de") for text, _ in GERMAN]
    learned = calibrate(collection, pairs, keep=False)
    assert read_calibration(collection.stored) is None
    assert learned.cuts["cosine"][SAME].threshold > 0.6
    assert learned.source == "120 labelled pairs"


def test_too_few_pairs_are_refused(collection) -> None:
    with pytest.raises(InvalidInput, match="19 pairs that say the same; at least 20"):
        calibrate(collection, GERMAN[:19])


def test_margins_are_learned_where_the_collection_has_texts_to_compare_with(collection) -> None:
    texts = [(text, "de") for text, _, lang in PAIRS if lang in ("de", "nl", "da", "sv")]
    texts += [(english, "en") for _, english, _ in PAIRS[:240]]
    collection.add([{"text": text, "lang": lang} for text, lang in texts])
    learned = calibrate(collection, GERMAN, langs=("de", "en"))
    assert learned.cuts["margin"]["de|en"].threshold > 1
    assert set(learned.reliability) == {"cosine", "margin"}


def test_many_pairs_are_a_sample_and_the_same_one_each_time(collection, monkeypatch) -> None:
    monkeypatch.setattr(calibrating, "MOST_PAIRS", 30)
    learned = calibrate(collection, GERMAN, langs=("de", "en"))
    assert learned.cuts["cosine"]["de|en"].pairs == 30
    assert calibrate(collection, GERMAN, langs=("de", "en")) == learned


def test_without_labels_the_documents_are_asked_on_every_store(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(unlabelled_pairs, "ASKED", 12)
    places = [
        {"kind": "memory"},
        {"kind": "faiss", "path": str(tmp_path)},
        {"kind": "qdrant", "location": ":memory:"},
    ]
    rows = [
        (text, "de" if lang in ("de", "nl") else "sv")
        for text, _, lang in PAIRS
        if lang in ("de", "nl", "da", "sv")
    ]
    answers = []
    steps: list[tuple[int, int]] = []
    for place in places:
        settings = {"store": "here", "stores": {"here": place}}
        with Collection.open("documents", settings=settings) as collection:
            collection.add(
                [
                    {"id": f"{n:03}", "text": text, "lang": lang}
                    for n, (text, lang) in enumerate(rows)
                ]
            )
            learned = calibrate(collection, on_progress=lambda *step: steps.append(step))
            assert read_calibration(collection.stored) == learned
        assert steps[-1] == (3, 3)
        answers.append(learned)
    shipped = shipped_calibration(answers[0].embedder)
    assert shipped is not None
    for learned in answers:
        kept = {key for key in shipped.cuts["cosine"] if is_same(key)}
        assert learned.cuts["cosine"].keys() == {"de|sv", ANY} | kept
        for measure, cuts in learned.cuts.items():
            for key, cut in cuts.items():
                if is_same(key):
                    assert cut == shipped.cuts[measure][key]
                    continue
                assert cut.method == "unlabelled"
                judge = answers[0].cuts[measure][key]
                assert cut.threshold == pytest.approx(judge.threshold, abs=1e-4)


def test_without_labels_and_a_shipped_calibration_one_language_is_learned_too(
    collection, monkeypatch
) -> None:
    monkeypatch.setattr(unlabelled_pairs, "ASKED", 12)
    monkeypatch.setattr(calibrating, "shipped_calibration", lambda embedder: None)
    texts = [text for text, _, lang in PAIRS if lang in ("de", "nl")]
    collection.add([{"text": text, "lang": "de"} for text in texts])
    learned = calibrate(collection)
    assert {"de|de", SAME} <= learned.cuts["cosine"].keys()
    assert learned.cuts["cosine"][SAME].method == "unlabelled"
    assert learned.source == "120 documents of the collection, without labels"


def test_too_few_documents_are_refused(collection) -> None:
    collection.add(["Ein Satz.", "A sentence."])
    with pytest.raises(UsageError, match=r"100 documents.*give pairs"):
        calibrate(collection)
    with pytest.raises(UsageError, match="there are no pairs"):
        calibrate(collection, langs=("de", "en"))


# ---------------------------------------------------------------- files


def test_labels_are_read_as_people_write_them(tmp_path) -> None:
    file = tmp_path / "judged.csv"
    words = ["1", "yes", "True", "same", "0", "no", "false", "other", "1.0", "maybe", ""]
    file.write_text(
        "left,right,verdict\n" + "".join(f"a {n},b {n},{word}\n" for n, word in enumerate(words))
    )
    found = read_labelled([file], labels="verdict")
    assert [pair.same for pair in found.pairs] == [True] * 4 + [False] * 4 + [True]
    assert found.labelled
    assert found.rejected == {"type": 2}
    assert found.first_rejection is not None
    assert "maybe" in found.first_rejection.detail


def test_a_column_called_label_needs_no_naming_and_grades_a_limit(tmp_path) -> None:
    file = tmp_path / "graded.tsv"
    file.write_text("left\tright\tlabel\na\tb\t4.5\nc\td\t2\n")
    with pytest.raises(UsageError, match=r"a grade.*--same-from"):
        read_labelled([file])
    found = read_labelled([file], same_from=4, columns=PairColumns(left_lang="de"))
    assert [(pair.same, pair.left_lang) for pair in found.pairs] == [(True, "de"), (False, "de")]
    with pytest.raises(UnknownColumn, match="'grade'"):
        read_labelled([file], labels="grade")


def test_a_file_without_labels_holds_pairs_that_are_the_same(tmp_path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"left": "a", "right": "b"}\n{"left": "a", "right": null}\n')
    found = read_labelled([file])
    assert not found.labelled
    assert found.pairs == [LabelledPair("a", "b", True)]
    assert found.rejected == {"empty": 1}


# ---------------------------------------------------------------- the plot


def test_the_plot_is_a_picture_and_the_same_one_each_time(collection, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    learned = calibrate(collection, GERMAN, langs=("de", "en"))
    for name, begin in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        file = tmp_path / name
        plot_reliability(learned, file)
        first = file.read_bytes()
        assert first.startswith(begin)
        plot_reliability(learned, file)
        assert file.read_bytes() == first


def test_there_is_no_plot_without_labels_or_of_another_format(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    cut = Cut(threshold=1, slope=1, offset=0, pairs=1, method="unlabelled")
    learned = calibrating.Calibration(embedder="e", cuts={"cosine": {ANY: cut}})
    with pytest.raises(UsageError, match="without labels"):
        plot_reliability(learned, tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"\.png or an \.svg"):
        plot_reliability(learned, tmp_path / "a.pdf")


def test_a_missing_matplotlib_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    cut = Cut(threshold=1, slope=1, offset=0, pairs=1, method="unlabelled")
    learned = calibrating.Calibration(embedder="e", cuts={"cosine": {ANY: cut}})
    with pytest.raises(MissingExtra, match=r"xlingual-qdrant\[plots\]"):
        plot_reliability(learned, tmp_path / "a.png")
