"""`xlingual search`."""

from __future__ import annotations

import pytest


def test_a_pipe_gets_lines(filled, run):
    result = run("search", "-k", "2", "the cat is sitting on the mat")
    assert result.exit_code == 0
    cells = [line.split("\t") for line in result.stdout.splitlines()]
    assert {(lang, id) for _, lang, id, _ in cells} == {("de", "cat-de"), ("fr", "cat-fr")}
    assert float(cells[0][0]) >= float(cells[1][0])
    assert result.stderr == ""


def test_words_without_quotes_are_one_query(filled, run):
    assert run("search", "the", "cat", "sits").stdout == run("search", "the cat sits").stdout


def test_json_has_the_fields_of_a_hit(filled, run, parse):
    hits = parse(run("search", "--json", "-k", "1", "--langs", "fr", "a cat on a mat").stdout)
    assert list(hits[0]) == ["id", "text", "lang", "score", "metadata"]
    assert hits[0]["metadata"] == {"n": 2}
    assert -1 <= hits[0]["score"] <= 1


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--langs", "de"), {"cat-de", "rain-de"}),
        (("--langs", "fr,es"), {"cat-fr", "rain-es"}),
        (("--langs", "fr", "--langs", "es"), {"cat-fr", "rain-es"}),
        (("--langs", "!de"), {"cat-fr", "rain-es"}),
        (("--where", "n >= 2"), {"cat-fr", "rain-es"}),
        (("--langs", "!de", "--where", "n >= 3"), {"rain-es"}),
        (("--exact", "-k", "9"), {"cat-de", "cat-fr", "rain-de", "rain-es"}),
        (("--min-score", "1"), set()),
    ],
)
def test_conditions(filled, run, parse, options, ids):
    result = run("search", "--json", *options, "rain tomorrow")
    assert {hit["id"] for hit in parse(result.stdout)} == ids
    assert result.exit_code == 0


def test_nothing_found_is_said_but_no_failure(filled, run):
    result = run("search", "--langs", "ja", "rain")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing matches" in result.stderr
    assert run("search", "--quiet", "--langs", "ja", "rain").stderr == ""


def test_queries_from_standard_input(filled, run, parse):
    queries = "the cat sits on the mat\r\n\nit will rain tomorrow\n"
    hits = parse(run("search", "--json", "-k", "1", "--langs", "de", "-", input=queries).stdout)
    assert [(hit["query"], hit["id"]) for hit in hits] == [
        ("the cat sits on the mat", "cat-de"),
        ("it will rain tomorrow", "rain-de"),
    ]
    lines = run("search", "-k", "1", "--langs", "de", "-", input=queries).stdout.splitlines()
    assert lines[1].split("\t")[0] == "it will rain tomorrow"


def test_bytes_that_are_not_utf8_are_named_by_their_line(filled, run):
    result = run("search", "-", input=b"fine\nnot \xff fine\n")
    assert result.exit_code == 1
    assert "line 2" in result.stderr


@pytest.mark.parametrize("query", ["", "  ", "\u200b"])
def test_an_empty_query_is_refused(filled, run, query):
    result = run("search", query)
    assert result.exit_code == 1
    assert "the query cannot be searched" in result.stderr


@pytest.mark.parametrize("score", ["calibrate", "2", "nan"])
def test_a_least_score_that_is_none_says_what_is_one(filled, run, score):
    result = run("search", "x", "--min-score", score)
    assert result.exit_code == 2
    assert "from -1 to 1 nor 'calibrated'" in result.stderr


def test_a_filter_that_cannot_be_read_is_2(filled, run):
    result = run("search", "--where", "n >=", "rain")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


HOSTILE = "\x1b]0;owned\x07 one\ntwo\tthree \x9b31m \u202egnol \\ end"


@pytest.fixture
def hostile(run):
    import json

    line = json.dumps({"id": "evil\x1b[2J", "text": HOSTILE, "lang": "en"})
    assert run("ingest", "-", input=line).exit_code == 0


def test_stored_control_characters_reach_no_terminal(hostile, run, terminal, parse):
    plain = run("search", "three").stdout
    assert plain.count("\n") == 1
    assert "\\x1b]0;owned\\x07 one\\ntwo\\tthree \\x9b31m \\u202egnol \\\\ end" in plain
    assert "evil\\x1b[2J" in plain
    for arguments in (("search", "three"), ("search", "--json", "three"), ("export",)):
        _, shown = terminal(*arguments)
        assert "\x1b]0" not in shown
        assert "\x1b[2J" not in shown
        assert "\x9b" not in shown
    assert parse(run("search", "--json", "three").stdout)[0]["text"] == HOSTILE


def test_a_terminal_gets_a_table(filled, terminal):
    code, shown = terminal("search", "-k", "1", "--langs", "de", "a cat on the mat")
    assert code == 0
    assert "score" in shown
    assert "Die Katze sitzt auf der Matte." in shown
    assert "\t" not in shown


def test_a_filter_that_can_match_nothing_is_explained(filled, run):
    result = run("search", "cat", "--where", "m > 1")
    assert result.exit_code == 0
    assert "Note: no document has a field 'm'." in result.stderr


def test_each_language_gets_its_share(filled, run, parse):
    query = "the cat is sitting on the mat"
    hits = parse(run("search", "--json", "--per-language", "1", query).stdout)
    assert {hit["id"] for hit in hits} == {"cat-de", "cat-fr", "rain-es"}
    assert list(hits[0]) == ["id", "text", "lang", "score", "metadata"]
    assert hits[-1]["lang"] == "es"
    found = run("search", "--json", "--per-language", "2", query).stdout
    langs = [hit["lang"] for hit in parse(found)]
    assert sorted(langs) == ["de", "de", "es", "fr"]
    assert langs.index("de") + 1 == len(langs) - 1 - langs[::-1].index("de")
    lines = run("search", "--per-language", "1", "--langs", "!fr", query).stdout.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["de", "es"]


def test_shares_of_languages_keep_the_conditions(filled, run, parse):
    options = ("--per-language", "3", "--where", "n >= 2", "--exact")
    hits = parse(run("search", "--json", *options, "rain tomorrow").stdout)
    assert [hit["id"] for hit in hits] == ["rain-es", "cat-fr"]
    cut = run("search", "--per-language", "3", "--min-score", "1", "rain tomorrow")
    assert (cut.exit_code, cut.stdout) == (0, "")
    assert "Nothing matches." in cut.stderr
    explained = run("search", "--per-language", "1", "--where", "m > 1", "cat").stderr
    assert "Note: no document has a field 'm'." in explained


def test_shares_of_languages_for_many_queries(filled, run, parse):
    queries = "a cat on a mat\nrain tomorrow\n"
    hits = parse(run("search", "--json", "--per-language", "1", "-", input=queries).stdout)
    assert [hit["query"] for hit in hits] == ["a cat on a mat"] * 3 + ["rain tomorrow"] * 3
    assert {hit["id"] for hit in hits[3:]} == {"rain-de", "rain-es", "cat-fr"}


def test_shares_and_the_nearest_of_all_exclude_each_other(filled, run):
    result = run("search", "-k", "3", "--per-language", "1", "rain")
    assert result.exit_code == 2
    assert "give either -k" in result.stderr
    assert run("search", "--per-language", "0", "rain").exit_code == 2
