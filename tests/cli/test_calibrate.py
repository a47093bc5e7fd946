"""`xlingual calibrate`."""

from __future__ import annotations

import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.calibration import STATE
from xlingual_qdrant.guide.texts import sample

PAIRS = [(pair.text, pair.translation) for pair in sample(60) if pair.lang == "de"]


@pytest.fixture
def pairs(filled):
    lines = "".join(f"{german}\t{english}\n" for german, english in PAIRS)
    (filled / "pairs.tsv").write_text("de\ten\n" + lines, encoding="utf-8")
    return ("pairs.tsv", "--left-lang", "de", "--right-lang", "en")


def test_it_is_learned_shown_used_and_forgotten(pairs, run, parse):
    learned = run("calibrate", *pairs)
    assert learned.exit_code == 0, learned.stderr
    assert "60 pairs that say the same; kept with 'documents'" in learned.stderr
    rows = [line.split("\t") for line in learned.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["cosine", "de en"], ["cosine", "any other two"]]
    shown = run("calibrate", "--show")
    assert shown.stdout == learned.stdout
    assert "kept with the collection" in shown.stderr
    [scored] = parse(
        run(
            "score", "--json", "Guten Tag", "Good day", "--right-lang", "en", "--left-lang", "de"
        ).stdout
    )
    assert f"{scored['threshold']:.4f}" == rows[0][2]
    assert "Forgot" in run("calibrate", "--forget").stderr
    assert "no calibration" in run("calibrate", "--forget").stderr


def test_a_calibration_from_labels_is_not_lost_unsaid(pairs, run):
    assert "Replaced" not in run("calibrate", *pairs).stderr
    again = run("calibrate", *pairs)
    assert "Replaced the one learned from 60 pairs that say the same." in again.stderr
    texts = [{"text": text, "lang": "de"} for text, _ in PAIRS]
    more = [{"text": pair.text, "lang": "de"} for pair in sample(60) if pair.lang == "nl"]
    with Collection.open() as collection:
        collection.add(texts + more)
    guessed = run("calibrate")
    assert "Replaced the one learned from 60 pairs that say the same." in guessed.stderr
    assert "two texts of one language: as shipped" in guessed.stderr
    assert "cosine\tit it" not in guessed.stdout
    assert run("calibrate", "--show").stdout == guessed.stdout
    assert "Replaced" not in run("calibrate").stderr


def test_without_its_own_the_one_that_ships_is_shown(filled, run):
    result = run("calibrate", "--show")
    langs = {line.split("\t")[1] for line in result.stdout.splitlines()}
    assert langs == {
        "de de",
        "de es",
        "de fr",
        "es es",
        "es fr",
        "fr fr",
        "any other two",
        "any other one",
    }
    assert "ships with the library" in result.stderr


def test_json_is_what_is_kept(pairs, run, parse):
    [learned] = parse(run("calibrate", *pairs, "--json").stdout)
    assert learned["cuts"]["cosine"]["de|en"]["method"] == "labels"
    assert learned["reliability"]["cosine"]
    assert parse(run("calibrate", "--show", "--json").stdout) == [learned]


def test_labels_and_grades_are_taken(filled, run):
    (filled / "graded.tsv").write_text(
        "left\tright\tgrade\n"
        + "".join(f"{one}\t{other}\t5\n" for one, other in PAIRS[:30])
        + "".join(f"{one}\t{other[::-1]}\t1\n" for one, other in PAIRS[:30]),
        encoding="utf-8",
    )
    result = run("calibrate", "graded.tsv", "--label", "grade", "--same-from", "4")
    assert result.exit_code == 0, result.stderr
    assert "Read 60 pairs, 30 the same." in result.stderr
    assert "60 labelled pairs" in result.stderr


def test_grades_that_are_not_there_are_not_passed_over(filled, run):
    (filled / "pairs.tsv").write_text(
        "left\tright\n" + "".join(f"{one}\t{other}\n" for one, other in PAIRS[:30]),
        encoding="utf-8",
    )
    result = run("calibrate", "pairs.tsv", "--same-from", "4")
    assert result.exit_code == 2
    assert "--label" in result.stderr


def test_a_calibration_of_another_embedder_is_told(filled, run):
    with Collection.open() as collection:
        kept = b'{"embedder": "another", "cuts": {"cosine": {}}}'
        collection.stored.write_state(STATE, kept)
    with pytest.warns(UserWarning, match="keeps a calibration of another"):
        result = run("calibrate", "--show")
    assert "ships with the library" in result.stderr


def test_a_plot_is_drawn(pairs, run, filled):
    pytest.importorskip("matplotlib")
    assert run("calibrate", *pairs, "--plot", "curve.svg").exit_code == 0
    assert (filled / "curve.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--show", "--forget"), 2, "either --show or --forget"),
        (("x.tsv", "--show"), 2, "takes no files"),
        (("--label", "x"), 2, "name the file"),
        (("--show", "--plot", "x.pdf"), 2, ".png or an .svg"),
        (("missing.tsv",), 2, "no such file"),
        ((), 2, "too few to learn from without labels"),
    ],
)
def test_what_does_not_go_together_is_told(filled, run, arguments, code, says):
    result = run("calibrate", *arguments)
    assert result.exit_code == code
    assert says in result.stderr


def test_too_few_pairs_are_told(filled, run):
    (filled / "few.tsv").write_text("de\ten\nguten Tag\tgood day\n", encoding="utf-8")
    result = run("calibrate", "few.tsv")
    assert result.exit_code == 1
    assert "at least 20" in result.stderr


def test_a_terminal_gets_tables_and_a_plot(pairs, terminal):
    code, shown = terminal("calibrate", *pairs)
    assert code == 0, shown
    assert "Do the probabilities of the cosine hold?" in shown
    assert "█" in shown
