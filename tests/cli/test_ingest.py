"""`xlingual ingest`."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = [sys.executable, "-c", "from xlingual_qdrant.cli import main; main()"]

LINES = (
    '{"id": "a", "text": "Guten Morgen", "lang": "de", "page": 3}\n'
    '{"id": "b", "text": "Bonjour à tous", "lang": "fr"}\n'
)
BAD = '{"id": "c", "text": ""}\n{"id": "d", "text": "x", "lang": "klingon"}\nno json\n'


@pytest.fixture
def texts(folder):
    file = folder / "texts.jsonl"
    file.write_text(LINES, encoding="utf-8")
    return file


def test_it_says_what_it_did_to_people_and_programs(run, texts, parse):
    result = run("ingest", "texts.jsonl", "--json")
    assert result.exit_code == 0
    [report] = parse(result.stdout)
    assert (report["read"], report["added"], report["rejected"]) == (2, 2, 0)
    assert report["languages"] == {"de": 1, "fr": 1}
    assert "added" in result.stderr
    assert "de 1, fr 1" in result.stderr
    [info] = parse(run("info", "--json").stdout)
    assert info["count"] == 2


def test_nothing_is_printed_to_stdout_without_json(run, texts):
    assert run("ingest", "texts.jsonl").stdout == ""


def test_again_changes_nothing(run, texts, parse):
    run("ingest", "texts.jsonl")
    [report] = parse(run("ingest", "texts.jsonl", "--json").stdout)
    assert (report["added"], report["updated"], report["unchanged"]) == (0, 0, 2)


def test_quiet_is_quiet_but_not_about_errors(run, texts):
    assert run("ingest", "--quiet", "texts.jsonl").stderr == ""
    (texts.parent / "empty.jsonl").write_bytes(b"")
    result = run("ingest", "--quiet", "empty.jsonl")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: empty.jsonl: ")
    assert "(empty)" in result.stderr


def test_rejected_rows_are_kept_with_their_reasons(run, folder, parse):
    (folder / "mixed.jsonl").write_text(LINES + BAD, encoding="utf-8")
    result = run("ingest", "mixed.jsonl", "--dead-letter", "dead.jsonl")
    assert result.exit_code == 0
    assert "empty 1" in result.stderr
    assert "dead.jsonl" in result.stderr
    dead = parse((folder / "dead.jsonl").read_text(encoding="utf-8"))
    assert [(row["line"], row["reason"]) for row in dead] == [
        (3, "empty"),
        (4, "language"),
        (5, "json"),
    ]
    assert set(dead[0]) == {"file", "line", "reason", "detail", "record"}


def test_a_file_of_nothing_but_faults_is_1(run, folder):
    (folder / "bad.jsonl").write_text(BAD, encoding="utf-8")
    result = run("ingest", "bad.jsonl")
    assert result.exit_code == 1
    assert "Error: bad.jsonl: none of its 3 records could be used" in result.stderr


def test_one_bad_file_does_not_stop_the_others(run, texts, parse):
    cut = gzip.compress(LINES.encode())[:-20]
    (texts.parent / "cut.jsonl.gz").write_bytes(cut)
    result = run("ingest", "cut.jsonl.gz", "texts.jsonl", "--json")
    assert result.exit_code == 1
    assert "(gzip)" in result.stderr
    [report] = parse(result.stdout)
    assert [outcome["error"] is None for outcome in report["files"]] == [False, True]
    assert parse(run("info", "--json").stdout)[0]["count"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("table.csv", "--text-field", "txt"), "text"),
        (("table.csv", "--lang", "klingon"), "klingon"),
        (("table.csv", "--lang-field", "text"), "text"),
        (("missing.csv",), "missing.csv"),
        (("table.csv", "--format", "xml"), "xml"),
        (("table.csv", "--batch-size", "0"), "batch-size"),
        (("table.csv", "--dead-letter", "no/such/folder"), "no/such/folder"),
        (("table.csv", "--shard", "9/8"), "8 shards are numbered from 1 to 8"),
        (("table.csv", "--shard", "3"), "such as 3/8"),
        ((), "FILE"),
    ],
)
def test_wrong_usage_is_2(run, folder, arguments, said):
    (folder / "table.csv").write_text("id,text\n1,hello there\n", encoding="utf-8")
    result = run("ingest", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_dry_run_makes_nothing(run, texts, parse):
    before = sorted(texts.parent.rglob("*"))
    result = run("ingest", "texts.jsonl", "--dry-run", "--json")
    assert result.exit_code == 0
    [report] = parse(result.stdout)
    assert (report["added"], report["dry_run"]) == (2, True)
    assert sorted(texts.parent.rglob("*")) == before


def test_a_dry_run_compares_with_what_is_there(run, texts, parse):
    run("ingest", "texts.jsonl")
    texts.write_text(LINES.replace("Guten Morgen", "Guten Abend"), encoding="utf-8")
    [report] = parse(run("ingest", "texts.jsonl", "--dry-run", "--json").stdout)
    assert (report["added"], report["updated"], report["unchanged"]) == (0, 1, 1)
    assert "Guten Morgen" in run("get", "a").stdout


def test_strict_stops_at_the_first_fault(run, folder):
    (folder / "mixed.jsonl").write_text(LINES + BAD, encoding="utf-8")
    result = run("ingest", "--strict", "mixed.jsonl")
    assert result.exit_code == 1
    assert "mixed.jsonl, line 3" in result.stderr


def test_fields_have_the_names_that_one_says(run, folder, parse):
    (folder / "posts.csv").write_text("key;body;locale;n\n7;Guten Tag;de-at;1\n", encoding="utf-8")
    names = ("--id-field", "key", "--text-field", "body", "--lang-field", "locale")
    assert run("ingest", "posts.csv", *names).exit_code == 0
    assert parse(run("export").stdout) == [
        {"id": "7", "text": "Guten Tag", "lang": "de-AT", "metadata": {"n": "1"}}
    ]


def test_texts_come_from_standard_input(run, parse):
    assert (
        run("ingest", "--format", "txt", "--lang", "nl", "-", input="Goedemorgen\n").exit_code == 0
    )
    assert [(row["text"], row["lang"]) for row in parse(run("export").stdout)] == [
        ("Goedemorgen", "nl")
    ]


def test_an_export_can_be_ingested_elsewhere(filled, run, parse):
    exported = run("export").stdout
    copied = run(
        "ingest", "--collection", "copy", "--metadata-field", "metadata", "-", input=exported
    )
    assert copied.exit_code == 0
    assert run("export", "--collection", "copy").stdout == exported


def test_at_a_terminal_there_is_a_bar(folder, terminal):
    rows = (json.dumps({"text": f"Satz {n}", "lang": "de"}) for n in range(20000))
    (folder / "many.jsonl").write_text("\n".join(rows), encoding="utf-8")
    code, shown = terminal("ingest", "many.jsonl")
    assert code == 0
    assert "many.jsonl" in shown
    assert "read, " in shown
    assert "20,000" in shown
    assert "read, " not in terminal("ingest", "--quiet", "many.jsonl")[1]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals to send")
def test_ctrl_c_stops_it_soon_and_keeps_what_is_written(folder, process, parse):
    rows = (json.dumps({"id": str(n), "text": f"Satz {n}", "lang": "de"}) for n in range(100_000))
    (folder / "many.jsonl").write_text("\n".join(rows), encoding="utf-8")
    command = [*PROGRAM, "ingest", "many.jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        two_batches = 2 * 4096 * 256 * 4  # bytes; the first of them is committed then
        while sum(file.stat().st_size for file in folder.rglob("*.f32")) < two_batches:
            assert child.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=20) == 130
        assert child.stderr is not None
        said = child.stderr.read().decode()
    assert "the same command goes on from there" in said
    assert said.endswith("Interrupted.\n")
    [facts] = parse(process("info", "--json").stdout.decode())
    assert 0 < facts["count"] < 100_000


def test_an_input_file_is_never_overwritten_by_dead_letters(folder, run):
    file = folder / "rows.jsonl"
    file.write_text('{"text": "sound"}\n{"text": null}\n')
    before = file.read_bytes()
    result = run("ingest", "rows.jsonl", "--dead-letter", "rows.jsonl")
    assert result.exit_code == 2
    assert "is read, dead letters cannot be written there too" in result.stderr
    assert file.read_bytes() == before


def test_a_store_that_keeps_nothing_says_so(folder, run):
    result = run("ingest", "-", "--store", "memory", input='{"text": "gone soon"}\n')
    assert result.exit_code == 0
    assert "keeps nothing" in result.stderr


def test_a_file_that_holds_no_dead_letters_is_left_alone(folder, run):
    (folder / "rows.jsonl").write_text('{"text": "sound"}\n{"text": null}\n')
    notes = folder / "notes.jsonl"
    notes.write_text('{"text": "my notes"}\n')
    result = run("ingest", "rows.jsonl", "--dead-letter", "notes.jsonl")
    assert result.exit_code == 2
    assert "holds no dead letters" in result.stderr
    assert notes.read_text() == '{"text": "my notes"}\n'
    assert run("ingest", "rows.jsonl", "--dead-letter", "new.jsonl").exit_code == 0
    assert run("ingest", "rows.jsonl", "--dead-letter", "new.jsonl").exit_code == 0


def test_standard_input_is_not_overwritten_by_dead_letters(folder):
    file = folder / "rows.jsonl"
    file.write_text('{"text": null}\n')
    command = [*PROGRAM, "ingest", "-", "--dead-letter", "rows.jsonl"]
    with file.open() as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert file.read_text() == '{"text": null}\n'


def test_a_dry_run_knows_the_declared_fields(folder, run, parse):
    (folder / "xlingual.toml").write_text('[fields]\nprice = "float"\n')
    (folder / "rows.csv").write_text("text,price\nsound,3.5\nfaulty,cheap\n")
    [report] = parse(run("ingest", "rows.csv", "--dry-run", "--json").stdout)
    assert (report["added"], report["rejected"]) == (1, 1)


def test_all_shards_make_what_one_run_makes(folder, process, parse):
    good = "".join(f'{{"id": "{n}", "text": "Satz {n}", "lang": "de"}}\n' for n in range(40))
    (folder / "mixed.jsonl").write_text(good + BAD * 3, encoding="utf-8")
    ingest = ("ingest", "mixed.jsonl", "--json", "--dead-letter")
    assert process(*ingest, "dead.jsonl", "--collection", "whole").returncode == 0
    reports = []
    for n in range(1, 4):
        share = (f"dead-{n}.jsonl", "--collection", "shared", "--shard", f"{n}/3")
        done = process(*ingest, *share)
        assert done.returncode == 0
        assert f"Ingested shard {n}/3 into 'shared'" in done.stderr.decode()
        reports += parse(done.stdout.decode())
    assert [report["shard"] for report in reports] == ["1/3", "2/3", "3/3"]
    assert sum(report["read"] for report in reports) == 49
    exports = [process("export", "--collection", name).stdout for name in ("whole", "shared")]
    assert exports[0] == exports[1]
    dead = parse((folder / "dead.jsonl").read_text(encoding="utf-8"))
    parts = [folder / f"dead-{n}.jsonl" for n in range(1, 4)]
    kept = [row for part in parts if part.exists() for row in parse(part.read_text())]
    assert sorted(kept, key=lambda row: row["line"]) == dead


def test_a_dry_run_of_a_shard_says_so(run, texts):
    said = run("ingest", "texts.jsonl", "--shard", "1/1", "--dry-run").stderr
    assert said.startswith("Checked shard 1/1, for a new collection in ")


URL = os.environ.get("XLINGUAL_TEST_QDRANT_URL")
KEY = os.environ.get("XLINGUAL_TEST_QDRANT_KEY")


@pytest.mark.skipif(not URL, reason="needs a server: XLINGUAL_TEST_QDRANT_URL")
def test_processes_fill_one_collection_of_a_server_at_once(folder, run, parse):
    rows = "".join(f'{{"id": "{n}", "text": "Satz {n}", "lang": "de"}}\n' for n in range(2000))
    (folder / "rows.jsonl").write_text(rows + BAD, encoding="utf-8")
    (folder / "xlingual.toml").write_text(
        f'store = "server"\n[stores.server]\nkind = "qdrant"\nurl = "{URL}"\n'
        f'collection_prefix = "xlingual-test-{folder.name}-"\n'
    )
    env = {**os.environ, **({"XLINGUAL_STORES__SERVER__API_KEY": KEY} if KEY else {})}
    command = [*PROGRAM, "ingest", "rows.jsonl", "--json", "--quiet", "--shard"]
    began = [
        subprocess.Popen([*command, f"{n}/4"], stdout=subprocess.PIPE, env=env) for n in range(1, 5)
    ]
    reports = [parse(child.communicate(timeout=120)[0].decode())[0] for child in began]
    try:
        assert sum(report["read"] for report in reports) == 2003
        assert sum(report["added"] for report in reports) == 2000
        child = subprocess.run([*PROGRAM, "info", "--json"], capture_output=True, env=env)
        assert parse(child.stdout.decode())[0]["count"] == 2000
    finally:
        drop = [*PROGRAM, "drop", "documents", "--yes"]
        subprocess.run(drop, capture_output=True, env=env, check=True)
