"""`xlingual dedup`, and `xlingual ingest --skip-duplicates`."""

from __future__ import annotations

import json

import pytest

TEXTS = {
    "may": "Your parcel of 3 May has not arrived yet.",
    "re": "RE: your parcel of 3 May has not arrived yet!",
    "caps": "YOUR PARCEL OF 3 MAY HAS NOT ARRIVED YET.",
    "june": "Your parcel of 3 June has not arrived yet.",
}


@pytest.fixture
def texts(folder):
    rows = [{"id": id, "text": text, "lang": "en"} for id, text in TEXTS.items()]
    file = folder / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def test_nothing_is_deleted_unless_asked(run, texts, parse):
    assert run("ingest", "texts.jsonl").exit_code == 0
    result = run("dedup", "--json")
    assert result.exit_code == 0, result.stderr
    [group] = parse(result.stdout)
    assert group["kept"] == "re"
    assert {other["id"] for other in group["others"]} == {"may", "caps"}
    assert {other["kind"] for other in group["others"]} == {"near"}
    assert group["text"] == TEXTS["re"]
    assert {other["id"]: other["text"] for other in group["others"]} == {
        id: TEXTS[id] for id in ("may", "caps")
    }
    assert "Nothing was deleted" in result.stderr
    assert len(parse(run("export").stdout)) == 4


def test_what_is_deleted_can_be_read_back(run, texts, folder, parse):
    run("ingest", "texts.jsonl")
    before = run("export").stdout
    result = run("dedup", "--apply", "--deleted", "gone.jsonl")
    assert result.exit_code == 0, result.stderr
    assert "Deleted 2 documents" in result.stderr
    assert [row["id"] for row in parse(run("export").stdout)] == ["june", "re"]
    run("ingest", "gone.jsonl", "--metadata-field", "metadata")
    assert sorted(parse(run("export").stdout), key=str) == sorted(parse(before), key=str)


def test_files_are_read_and_never_changed(run, texts, folder, parse):
    before = texts.read_bytes()
    result = run("dedup", "texts.jsonl", "--output", "clean.jsonl", "--keep", "first")
    assert result.exit_code == 0, result.stderr
    kept = parse((folder / "clean.jsonl").read_text(encoding="utf-8"))
    assert [row["id"] for row in kept] == ["may", "june"]
    assert texts.read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["clean.jsonl", "texts.jsonl"]


def test_the_texts_that_stay_are_read_back_with_their_fields(run, folder, parse):
    rows = [
        {"id": id, "text": text, "lang": "en", "page": page}
        for page, (id, text) in enumerate(TEXTS.items())
    ]
    (folder / "pages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("dedup", "pages.jsonl", "--output", "clean.jsonl", "--keep", "first")
    assert run("ingest", "clean.jsonl", "--metadata-field", "metadata").exit_code == 0
    exported = parse(run("export").stdout)
    assert {row["id"]: row["metadata"] for row in exported} == {
        "may": {"page": 0},
        "june": {"page": 3},
    }
    assert run("export").stdout.splitlines() == sorted(
        (folder / "clean.jsonl").read_text(encoding="utf-8").splitlines()
    )


def test_what_an_earlier_run_deleted_is_not_written_over(run, texts, folder):
    run("ingest", "texts.jsonl")
    run("dedup", "--apply", "--deleted", "gone.jsonl")
    before = (folder / "gone.jsonl").read_bytes()
    result = run("dedup", "--apply", "--deleted", "gone.jsonl")
    assert result.exit_code == 2
    assert "there already" in result.stderr
    assert (folder / "gone.jsonl").read_bytes() == before


def test_the_file_that_is_read_is_not_written_over(run, texts, folder):
    before = texts.read_bytes()
    (folder / "link.jsonl").symlink_to(texts)
    for name in ("texts.jsonl", "link.jsonl"):
        result = run("dedup", "texts.jsonl", "--output", name)
        assert result.exit_code == 2
        assert "is read" in result.stderr
    assert texts.read_bytes() == before


def test_lines_for_pipes_name_the_kept_one_and_show_both_texts(run, texts):
    result = run("dedup", "texts.jsonl", "--keep", "first", "--quiet")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert sorted((kind, id, kept) for kind, _, _, id, kept, _, _ in lines) == [
        ("exact", "caps", "may"),
        ("near", "re", "may"),
    ]
    assert {(id, text, kept) for _, _, _, id, _, text, kept in lines} == {
        (id, TEXTS[id], TEXTS["may"]) for id in ("caps", "re")
    }
    assert not result.stderr


def test_more_texts_than_are_fetched_at_once_go_to_their_groups(run, folder, parse):
    rows = [
        {"id": f"{number}{copy}", "text": text, "lang": "en"}
        for number in range(700)
        for copy, text in (("a", f"parcel {number}"), ("b", f"PARCEL {number}"))
    ]
    (folder / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("dedup", "many.jsonl", "--kinds", "exact", "--keep", "first")
    groups = parse(run(*arguments, "--json").stdout)
    assert len(groups) == 700
    for group in groups:
        [other] = group["others"]
        assert group["text"] == f"parcel {group['kept'][:-1]}"
        assert other["text"] == group["text"].upper()
    assert len(run(*arguments).stdout.splitlines()) == 700


def test_refused_pairs_say_why(run, texts, parse):
    result = run("dedup", "texts.jsonl", "--refused", "--json")
    rows = parse(result.stdout)
    assert {row["guard"] for row in rows} == {"numbers"}
    assert any(row["reason"] == "numbers: 'may' against 'june'" for row in rows)
    unguarded = run(
        "dedup", "texts.jsonl", "--no-guards", "--kinds", "near", "--threshold", "0.65", "--json"
    )
    [group] = parse(unguarded.stdout)
    assert len(group["others"]) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("texts.jsonl", "--apply"), "never changed"),
        (("texts.jsonl", "--langs", "en"), "not for files"),
        (("--output", "x"), "--apply"),
        (("--deleted", "x"), "--apply"),
        (("texts.jsonl", "--without-guard", "number"), "numbers"),
        (("texts.jsonl", "--kinds", "exact,same"), "near"),
    ],
)
def test_wrong_usage_is_2(run, texts, arguments, said):
    result = run("dedup", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_table_shows_the_texts(texts, terminal):
    code, shown = terminal("dedup", "texts.jsonl", "--keep", "first")
    assert code == 0
    assert "RE: your parcel" in shown
    assert "kept" in shown


def test_duplicates_are_not_stored_if_so_asked(run, texts, folder, parse):
    arguments = ("ingest", "texts.jsonl", "--skip-duplicates", "--json")
    result = run(*arguments, "--dead-letter", "dead.jsonl")
    assert result.exit_code == 0, result.stderr
    [report] = parse(result.stdout)
    assert (report["read"], report["added"], report["duplicates"]) == (4, 2, 2)
    dead = parse((folder / "dead.jsonl").read_text(encoding="utf-8"))
    assert [(row["line"], row["reason"]) for row in dead] == [(2, "duplicate"), (3, "duplicate")]
    assert all("'may'" in row["detail"] for row in dead)
    [again] = parse(run(*arguments).stdout)
    assert (again["unchanged"], again["duplicates"], again["added"]) == (2, 2, 0)


def test_kinds_to_skip_without_skipping_are_refused(run, texts):
    result = run("ingest", "texts.jsonl", "--skip-kinds", "exact")
    assert result.exit_code == 2
    assert "--skip-duplicates" in result.stderr


def test_a_dry_run_finds_no_duplicates_and_says_so(run, texts):
    result = run("ingest", "texts.jsonl", "--skip-duplicates", "--dry-run")
    assert result.exit_code == 2
    assert "embeds nothing" in result.stderr


def test_cross_lingual_ones_need_a_calibration_at_ingestion(run, texts):
    result = run("ingest", "texts.jsonl", "--skip-duplicates", "--skip-kinds", "cross-lingual")
    assert result.exit_code == 2
    assert "calibrate" in result.stderr
