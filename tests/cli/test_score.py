"""`xlingual score`."""

from __future__ import annotations

import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.calibration import (
    ANY,
    Calibration,
    Cut,
    embedder_name,
    write_calibration,
)

LOVE = ("I love programming", "J'adore la programmation")
WEATHER = ("I love programming", "Das Wetter ist schön heute")
SERVER = ("The server is down", "Le serveur est en panne")


def test_two_texts_get_an_answer_in_an_empty_folder_and_nothing_is_made(run, folder):
    result = run("score", *LOVE)
    assert result.exit_code == 0
    verdict, probability, cosine, margin, _, lang, *texts = result.stdout.rstrip("\n").split("\t")
    assert (verdict, lang, tuple(texts)) == ("same", "fr", LOVE)
    assert 0.9 < float(probability) <= 1
    assert float(cosine) == pytest.approx(0.8318, abs=1e-3)
    assert float(margin) > 1
    assert list(folder.iterdir()) == []


def test_json_has_the_names_of_python(run, parse):
    result = run("score", "--json", "--left-lang", "en", "--right-lang", "de", *WEATHER)
    [row] = parse(result.stdout)
    assert list(row) == [
        "left",
        "right",
        "left_lang",
        "right_lang",
        "cosine",
        "margin",
        "probability",
        "same",
        "measure",
        "threshold",
    ]
    assert (row["same"], row["left_lang"], row["measure"]) == (False, "en", "cosine")


def test_files_and_standard_input_hold_many_pairs_in_their_order(run, folder):
    pairs = [LOVE, WEATHER, SERVER, ("the same", "the same")]
    lines = "".join(f"{one}\t{other}\n" for one, other in pairs)
    (folder / "pairs.tsv").write_text("en\tother\n" + lines, encoding="utf-8")
    of_file = run("score", "pairs.tsv")
    assert [line.split("\t")[0] for line in of_file.stdout.splitlines()] == [
        "same",
        "other",
        "same",
        "same",
    ]
    assert run("score", "-", input=lines).stdout == of_file.stdout
    named = run("score", "pairs.tsv", "--left", "other", "--right", "en")
    assert named.stdout.split("\t")[-2:][0] == "the same"


def test_bad_rows_are_told_and_the_others_scored(run, folder):
    (folder / "pairs.jsonl").write_text(
        '{"left": "a", "right": ""}\n{"left": "good morning", "right": "guten Morgen"}\n'
    )
    result = run("score", "pairs.jsonl")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 1
    assert "line 1" in result.stderr
    assert "1 row left out" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "input", "code", "says"),
    [
        (("one text of some words",), None, 2, "the second text is missing"),
        (("a", "b", "c"), None, 2, "quotation marks"),
        (("missing.tsv",), None, 2, "no such file"),
        (("-",), "no tab\n", 1, "line 1"),
        (("-",), "one\ttwo\tthree\n", 1, "line 1"),
        (("a", ""), None, 1, "pair 1"),
        (("a", "b", "--left", "x"), None, 2, "both columns"),
        (("a", "b", "--measure", "margin", "--left-lang", "en"), None, 2, "at least 200"),
        (("a", "b", "--collection", "missing"), None, 1, "missing"),
    ],
)
def test_what_cannot_be_scored_is_told_in_words(run, arguments, input, code, says):
    result = run("score", *arguments, input=input)
    assert result.exit_code == code
    assert says in result.stderr
    assert "internal error" not in result.stderr


def test_the_calibration_of_the_collection_decides(filled, run, parse):
    with Collection.open() as collection:
        cut = Cut(threshold=0.99, slope=1, offset=-0.99, pairs=1, method="labels")
        name = embedder_name(collection.stored)
        known = Calibration(embedder=name, cuts={"cosine": {ANY: cut}})
        write_calibration(collection.stored, known)
    [row] = parse(run("score", "--json", *LOVE).stdout)
    assert (row["same"], row["threshold"]) == (False, 0.99)


def test_without_a_calibration_the_verdict_is_open(run, folder, monkeypatch):
    (folder / "own.py").write_text(
        "import numpy as np\n\n"
        "def embed(texts):\n"
        "    return np.array([[len(t), t.count('e'), 1] for t in texts], dtype='float32')\n"
    )
    (folder / "xlingual.toml").write_text(
        'embedder = "own"\n[embedders.own]\nkind = "callable"\nname = "own"\n'
        'function = "own:embed"\n'
    )
    monkeypatch.syspath_prepend(str(folder))
    result = run("score", *LOVE)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("?\t\t")
    assert "xlingual calibrate" in result.stderr


def test_a_terminal_gets_a_table(terminal):
    code, shown = terminal("score", *SERVER)
    assert code == 0
    assert "verdict" in shown
    assert "Le serveur est en panne" in shown
