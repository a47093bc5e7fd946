"""`xlingual models`, `xlingual models show` and `xlingual models bench`."""

from __future__ import annotations

import sys
import tomllib

import pytest

from xlingual_qdrant.cli import xlingual
from xlingual_qdrant.guide.catalogue import catalogue

NAMES = [model.name for model in catalogue().models]
QUICK = ("--seconds", "0.01", "--sample", "1")


@pytest.fixture(autouse=True)
def no_models_from_outside(folder, monkeypatch):
    """A Hugging Face cache that is empty."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "SENTENCE_TRANSFORMERS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(folder / "hf"))


def test_every_model_has_a_line_the_bundled_first(run):
    result = run("models")
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == NAMES
    assert {len(line) for line in lines} == {12}
    assert lines[0][-1] == "yes (bundled)"
    assert {line[-1] for line in lines[1:]} == {"no"}


def test_figures_come_with_their_source_and_advice(run):
    said = run("models").stderr
    assert "commit f4cc6c8" in said
    assert "* measured by this library" in said
    for name in ("xlingual-static-256", "LaBSE", "bge-m3"):
        assert name in said
    assert run("models", "--quiet").stderr == ""


def test_absent_figures_are_shown_as_absent(run):
    lines = {line.split("\t")[0]: line.split("\t") for line in run("models").stdout.splitlines()}
    assert lines["distiluse-base-multilingual-cased-v2"][5:9] == ["-"] * 4
    assert lines["LaBSE"][5:9] == ["95.9", "65.7", "69.1", "58.7"]
    assert lines["xlingual-static-256"][5:9] == ["90.6*", "63.8*", "-", "-"]


def test_json_has_all_facts_and_their_sources(run, parse):
    rows = parse(run("models", "--json").stdout)
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        assert row["sources"]
        assert bool(row["published"]) == bool(row["published_source"])
        assert row["state"] == ("here" if row["name"] == NAMES[0] else "absent")
    [labse] = [row for row in rows if row["name"] == "LaBSE"]
    assert labse["published"]["tatoeba"] == 95.9
    assert labse["settings"] == {"kind": "sentence-transformers", "model": "LaBSE"}
    assert parse(run("models", "labse", "--json").stdout) == [labse]


@pytest.mark.parametrize(("width", "dimensions"), [("80", False), ("100", True), ("200", True)])
def test_a_terminal_gets_the_columns_there_is_room_for(width, dimensions, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    xlingual.main(["models", "--quiet"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES), "a name was broken over lines"
    assert ("dim" in shown.splitlines()[0]) == dimensions
    assert len(shown.splitlines()) == len(NAMES) + 2


def test_one_model_is_shown_in_full(run):
    for arguments in (("LaBSE",), ("show", "labse"), ("sentence-transformers/LaBSE",)):
        result = run("models", *arguments)
        assert result.exit_code == 0
        assert "reads\t256 tokens\n" in result.stdout
        assert "95.9 % (published)\n" in result.stdout
        assert "\nsource\t" in result.stdout
        assert result.stdout.endswith('model = "LaBSE"\n')
    assert "query prompt\t'query: '\n" in run("models", "e5-base").stdout
    assert "90.6 % (measured)\n" in run("models", "bundled").stdout
    assert "note\tReads 128 tokens, though registries say 512.\n" in run("models", "minilm").stdout


def test_the_lines_for_the_settings_can_be_pasted(folder, run, parse):
    settings = "".join(run("models", "show", name, "--toml").stdout for name in NAMES[1:])
    (folder / "xlingual.toml").write_text(settings)
    assert len(tomllib.loads(settings)["embedders"]) == len(NAMES) - 1
    for row in parse(run("models", "--json").stdout):
        assert row["embedders"] == [row["section"]]


def test_a_wrong_name_is_2_and_suggests_the_nearest(run):
    for arguments in (("labs",), ("show", "labs"), ("bench", "labs")):
        result = run("models", *arguments)
        assert result.exit_code == 2
        assert "Did you mean 'labse'?" in result.stderr


def test_a_model_in_the_cache_is_here(folder, run, parse):
    snapshot = folder / "hf" / "hub" / "models--BAAI--bge-m3" / "snapshots" / "5617a9f"
    snapshot.mkdir(parents=True)
    assert parse(run("models", "bge-m3", "--json").stdout)[0]["state"] == "partly"
    (snapshot / "model.safetensors").write_bytes(b"0")
    [row] = parse(run("models", "bge-m3", "--json").stdout)
    assert (row["state"], row["paths"]) == ("here", [str(snapshot)])


def test_the_default_is_measured_in_a_process_of_its_own(process, parse):
    done = process("models", "bench", *QUICK)
    assert done.returncode == 0
    [line] = done.stdout.decode().splitlines()
    name, load, query, *speeds, mib, found, note = line.split("\t")
    assert name == "bundled"
    assert float(load) >= 0
    assert float(query) > 0
    assert len(speeds) == 3
    assert float(mib) > 0
    assert 80 < float(found) <= 100
    assert note == "256 dimensions, reads only the beginning of 93% of pages"
    said = done.stderr.decode()
    assert "for each, Python 3." in said
    assert "bundled: pages\n" in said


def test_an_embedder_that_fails_is_a_line_with_the_reason(folder, run, parse):
    (folder / "xlingual.toml").write_text('[embedders.gone]\nkind = "static"\npath = "nowhere"\n')
    result = run("models", "bench", "gone", "bundled", "--json", "--threads", "1", *QUICK)
    assert result.exit_code == 0
    gone, bundled = parse(result.stdout)
    assert "nowhere" in gone["error"]
    assert "model" not in gone
    assert bundled["error"] is None
    assert bundled["revision"]
    assert bundled["machine"]["threads"] == 1
    assert bundled["machine"]["date"] == gone["machine"]["date"]
    assert len(bundled["sample"]) == 33
    alone = run("models", "bench", "gone", "--quiet", *QUICK)
    assert alone.exit_code == 1
    assert alone.stdout.startswith("gone\t")
    assert alone.stderr == ""


def test_own_pairs_are_measured_too(folder, run, parse):
    rows = ["en\tde", "Good morning\tGuten Morgen", "the cat\tdie Katze", "bread\tBrot", "broken"]
    (folder / "mine.tsv").write_text("\n".join(rows))
    result = run("models", "bench", "--pairs", "mine.tsv", "--json", *QUICK)
    [row] = parse(result.stdout)
    assert row["pairs"]["recall_left"] == row["pairs"]["recall_right"] == 1
    assert "1 row of 4 cannot be used" in result.stderr
    (folder / "one.tsv").write_text("en\tde\nbread\tBrot\n")
    few = run("models", "bench", "--pairs", "one.tsv")
    assert few.exit_code == 1
    assert "one.tsv: holds 1 usable pairs" in few.stderr


def test_what_cannot_be_measured_is_said_before_anything_is_loaded(run):
    for arguments, words in (
        (("--threads", "100000"), "threads are wanted"),
        (("--data", "nowhere"), "holds neither"),
        (("--pairs", "nowhere.tsv"), "nowhere.tsv"),
        (("--seconds", "0"), "--seconds"),
    ):
        result = run("models", "bench", *arguments)
        assert result.exit_code == 2, arguments
        assert words in result.stderr
        assert "loading" not in result.stderr


def test_people_at_a_terminal_get_a_column_for_each_embedder(terminal):
    code, shown = terminal("models", "bench", "bundled", "static", *QUICK)
    assert code == 0
    lines = [line.split() for line in shown.splitlines()]
    [speeds] = [line for line in lines if line[:2] == ["sentences", "/s"]]
    assert len(speeds) == 4
    assert "static: 256 dimensions" in shown
