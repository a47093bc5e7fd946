"""`xlingual cache`, and the cache as the other commands show it."""

from __future__ import annotations

import json

import pytest

MODEL = "static:xlingual-static-256@"


@pytest.fixture
def texts(folder):
    (folder / "xlingual.toml").write_text('[cache]\npath = "embeddings.sqlite"\nmax_mb = 64\n')
    file = folder / "texts.jsonl"
    rows = [{"id": str(n), "text": f"Satz Nummer {n}", "lang": "de"} for n in range(30)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_an_ingestion_says_what_came_from_the_cache(run, texts, parse):
    first = run("ingest", "texts.jsonl", "--json")
    [report] = parse(first.stdout)
    assert (report["cached"], report["computed"]) == (0, 30)
    assert "  cached               0  0 % of the texts embedded\n" in first.stderr
    with texts.open("a") as lines:
        lines.write('{"id": "new", "text": "Ein neuer Satz", "lang": "de"}\n')
    again = run("ingest", "texts.jsonl", "--collection", "other", "--json")
    [report] = parse(again.stdout)
    assert (report["added"], report["cached"], report["computed"]) == (31, 30, 1)
    assert "  cached              30  96 % of the texts embedded\n" in again.stderr


def test_without_a_cache_nothing_is_said_of_it(run, texts, parse, monkeypatch):
    monkeypatch.setenv("XLINGUAL_CACHE__PATH", "")
    result = run("ingest", "texts.jsonl", "--json")
    [report] = parse(result.stdout)
    assert report["cached"] is None
    assert report["computed"] is None
    assert "cached" not in result.stderr


def test_where_nothing_was_embedded_no_share_is_told(run, texts, parse):
    run("ingest", "texts.jsonl")
    for arguments in ((), ("--dry-run",)):
        result = run("ingest", "texts.jsonl", "--json", *arguments)
        assert parse(result.stdout)[0]["cached"] == (None if arguments else 0)
        assert "cached" not in result.stderr


def test_it_shows_what_there_is(run, texts, parse, folder):
    [facts] = parse(run("cache", "--json").stdout)
    path = str(folder / "embeddings.sqlite")
    assert facts == {
        "path": path,
        "entries": 0,
        "bytes": 0,
        "max_bytes": 64 << 20,
        "embedders": [],
    }
    assert not (folder / "embeddings.sqlite").exists()
    run("ingest", "texts.jsonl")
    run("search", "ein Satz")
    [facts] = parse(run("cache", "--json").stdout)
    assert facts["entries"] == 31
    assert facts["bytes"] > 30 * 1024
    [embedder] = facts["embedders"]
    assert embedder["name"].startswith(MODEL)
    assert (embedder["dimension"], embedder["entries"]) == (256, 31)
    assert embedder["last_used"].endswith(":00Z")
    shown = run("cache").stdout
    assert f"path\t{path}\nentries\t31\n" in shown
    assert "(256 dimensions), 31 vectors, last used 2" in shown


def test_clearing_forgets_all_and_makes_the_file_small(run, texts, parse, folder):
    run("ingest", "texts.jsonl")
    result = run("cache", "--clear", "--json")
    assert result.stderr == f"Cleared 30 vectors of {folder / 'embeddings.sqlite'}.\n"
    assert parse(result.stdout) == [{"path": str(folder / "embeddings.sqlite"), "cleared": 30}]
    [facts] = parse(run("cache", "--json").stdout)
    assert (facts["entries"], facts["embedders"]) == (0, [])
    assert facts["bytes"] < 50_000
    assert run("cache", "--clear", "--quiet").stderr == ""


def test_one_embedder_is_shown_and_cleared_by_its_name(run, texts, parse):
    run("ingest", "texts.jsonl")
    for name in ("bundled", "static", "xlingual-static-256"):
        assert parse(run("cache", "--json", "--embedder", name).stdout)[0]["entries"] == 30
    result = run("cache", "--clear", "--embedder", "bundeld")
    assert result.exit_code == 2
    assert "Did you mean 'bundled'?" in result.stderr
    assert "Cleared 30 vectors" in run("cache", "--clear", "--embedder", "bundled").stderr
    assert "Cleared 0 vectors" in run("cache", "--clear", "--embedder", "bundled").stderr


def test_without_a_path_in_the_settings_it_says_how_to_have_one(run):
    result = run("cache")
    assert result.exit_code == 2
    assert "as path in [cache]" in result.stderr


def test_a_file_of_something_else_is_an_error_and_stays(run, texts, folder):
    (folder / "embeddings.sqlite").write_text("my notes")
    for arguments in (("cache", "--clear"), ("ingest", "texts.jsonl"), ("embed",)):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "embeddings.sqlite: is not an SQLite file" in result.stderr
    assert (folder / "embeddings.sqlite").read_text() == "my notes"


def test_a_cache_that_cannot_be_made_is_a_warning(process, texts, folder):
    (folder / "a-file").write_text("")
    done = process("ingest", "texts.jsonl", env={"XLINGUAL_CACHE__PATH": "a-file/e.sqlite"})
    assert done.returncode == 0
    told = done.stderr.decode()
    assert told.count("Warning: the embedding cache a-file/e.sqlite cannot be opened") == 1
    assert "added               30" in told


def test_the_settings_show_the_cache_where_there_is_one(run, texts, folder):
    assert run("config", "cache").stdout == (
        f"cache.path\t{folder / 'embeddings.sqlite'}\t{folder / 'xlingual.toml'}\n"
        f"cache.max_mb\t64\t{folder / 'xlingual.toml'}\n"
    )
    (folder / "xlingual.toml").unlink()
    assert "cache" not in run("config").stdout
