"""`xlingual evaluate`."""

from __future__ import annotations

import json

import pytest

QUESTIONS = (
    "query\tlang\trelevant\n"
    "The cat is on the mat.\ten\tcat-de|cat-fr\n"
    "Tomorrow it will rain all day.\ten\train-de|rain-es\n"
    "Lloverá mañana.\tes\train-de\n"
)


@pytest.fixture
def questions(filled):
    file = filled / "questions.tsv"
    file.write_text(QUESTIONS, encoding="utf-8")
    return file.name


def test_lines_hold_figures_by_pair_of_languages(run, questions):
    result = run("evaluate", questions)
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[0] == ["plain", "*", "*", "3", "1.0000", rows[0][5], rows[0][6]]
    assert [row[1:4] for row in rows[1:]] == [
        ["en", "de", "2"],
        ["en", "es", "1"],
        ["en", "fr", "1"],
        ["es", "de", "1"],
    ]


def test_json_holds_all_figures_of_each_kind_of_search(run, questions):
    result = run("evaluate", questions, "--compare", "plain,neutral", "-k", "2", "--json")
    plain, neutral = (json.loads(line) for line in result.stdout.splitlines())
    assert (plain["search"], neutral["search"]) == ("plain", "neutral")
    assert plain["k"] == 2
    assert plain["questions"] == 3
    assert plain["pairs"]["en-fr"] == {"questions": 1, "recall": 1.0, "mrr": 1.0, "ndcg": 1.0}
    assert set(plain) == {
        *("search", "k", "questions", "recall", "mrr", "ndcg", "coverage", "own_share"),
        *("fair_share", "worst", "best", "spread", "pairs"),
    }


def test_a_person_sees_tables(terminal, questions):
    code, shown = terminal("evaluate", questions, "--compare", "plain,neutral", "--quiet")
    assert code == 0, shown
    assert "worst pair" in shown
    assert "plain: mrr in %" in shown


def test_options_of_search_hold_for_all_kinds(run, questions):
    result = run("evaluate", questions, "--langs", "de", "--where", "n = 1", "--exact", "--json")
    found = json.loads(result.stdout)
    assert found["recall"] == pytest.approx(1 / 6, abs=1e-6)
    assert found["fair_share"] == 0.0


def test_missing_ids_are_left_out_and_told(run, questions, folder):
    with (folder / questions).open("a", encoding="utf-8") as file:
        file.write("Where is the dog?\ten\tdog-de\nWho?\ten\tcat-de|nobody\n")
    result = run("evaluate", questions)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].split("\t")[3] == "4"
    assert "left out 2 ids that the collection lacks: 'dog-de', 'nobody'" in result.stderr
    assert "left out 1 question without a document" in result.stderr


def test_a_heat_map_is_drawn(run, questions, folder):
    result = run("evaluate", questions, "--heatmap", "map.svg", "--figure", "recall")
    assert result.exit_code == 0, result.stderr
    assert b"<svg" in (folder / "map.svg").read_bytes()


def test_the_collection_tells_which_search_fits(run, filled):
    result = run("evaluate", "--diagnose")
    assert result.stdout.splitlines()[0] == "Documents: 4 (de 2, es 1, fr 1)."
    assert "Advice: plain search" in result.stdout
    told = json.loads(run("evaluate", "--diagnose", "--json").stdout)
    assert told["advice"] == "plain"
    assert told["languages"] == {"de": 2, "es": 1, "fr": 1}


def test_a_folder_of_evaluation_files_measures_the_embedder(run, folder):
    rows = ["pair\tscore\ttext1\ttext2", "de-en\t5\tDer Hund\tThe dog", "de-en\t0\tDas Auto\tRain"]
    (folder / "sts.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    result = run("evaluate", "--folder", ".")
    assert result.stdout == "sts\tmean\t1.000000\nsts\tpairs/de-en\t1.000000\n"
    assert "static:" in result.stderr
    told = json.loads(run("evaluate", "--folder", ".", "--tasks", "sts", "--json").stdout)
    assert told == {"task": "sts", "mean": 1.0, "pairs": {"de-en": 1.0}}
    assert not (folder / "xlingual-data").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a file of QUESTIONS, or --diagnose, or --folder"),
        (("questions.tsv", "--diagnose"), "give a file of QUESTIONS"),
        (("--diagnose", "-k", "3"), "need QUESTIONS"),
        (("questions.tsv", "--tasks", "sts"), "--tasks are those of a --folder"),
        (("questions.tsv", "--compare", "neutrel"), "Did you mean 'neutral'"),
        (("questions.tsv", "--compare", ","), "--compare"),
        (("questions.tsv", "--heatmap", "map.bmp"), "a picture ends in one of .png, .svg, .pdf"),
        (("nowhere.tsv",), "there is no such file"),
        (("--folder", "nowhere"), "holds no evaluation files"),
        (("--folder", ".", "--tasks", "tatoba"), "Did you mean 'tatoeba'"),
    ],
)
def test_wrong_usage_is_told(run, questions, arguments, says):
    result = run("evaluate", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_damaged_file_fails_with_its_line(run, filled):
    (filled / "q.tsv").write_text("query\trelevant\nWhere?\t \n", encoding="utf-8")
    result = run("evaluate", "q.tsv")
    assert result.exit_code == 1
    assert "q.tsv: line 2: the field 'relevant' names no document (empty)" in result.stderr
