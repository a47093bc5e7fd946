"""`xlingual learn`: what people ask, kept as sums."""

from __future__ import annotations

import gzip
import json
from pathlib import Path


def known(run) -> dict[str, dict[str, int]]:
    return json.loads(run("learn", "--show", "--json").stdout)


def test_queries_are_learned_shown_and_forgotten(run, tmp_path: Path) -> None:
    documents = tmp_path / "documents.csv"
    documents.write_text("id,lang,text\n1,de,Guten Tag\n2,fr,Bonjour\n", encoding="utf-8")
    assert run("ingest", str(documents)).exit_code == 0
    questions = tmp_path / "questions.csv"
    questions.write_text("lang,text\nen,Where is it?\nja,どこですか\n", encoding="utf-8")
    learned = run("learn", str(questions))
    assert learned.exit_code == 0, learned.stderr
    assert "Queries learned: 2." in learned.stderr
    assert "de\t1\t0\tno" in learned.stdout
    assert known(run)["asked"] == {"en": 1, "ja": 1}
    assert run("learn", "-", "--lang", "en", input="Who is it?\n").exit_code == 0
    assert known(run)["asked"] == {"en": 2, "ja": 1}
    assert run("learn", "--recompute").exit_code == 0
    assert known(run) == {
        "sampled": {"de": 1, "fr": 1},
        "asked": {"en": 2, "ja": 1},
        "balanced": {},
    }
    forgotten = run("learn", "--forget")
    assert forgotten.exit_code == 0
    assert "Forgot 3 queries learned with 'documents'." in forgotten.stderr
    assert known(run)["asked"] == {}
    again = run("learn", "--forget")
    assert "There were no queries learned with 'documents'." in again.stderr


def test_it_is_told_what_to_do(run, filled: Path) -> None:
    assert run("learn").exit_code == 2
    assert run("learn", "--show", "--forget").exit_code == 2
    missing = run("learn", str(filled / "none.txt"))
    assert missing.exit_code != 0
    assert "none.txt" in missing.stderr


def test_a_file_that_cannot_be_read_to_its_end_teaches_nothing(run, tmp_path: Path) -> None:
    documents = tmp_path / "documents.csv"
    documents.write_text("id,lang,text\n1,de,Guten Tag\n2,fr,Bonjour\n", encoding="utf-8")
    assert run("ingest", str(documents)).exit_code == 0
    whole = gzip.compress("".join(f"question {row}\n" for row in range(5000)).encode())
    cut = tmp_path / "cut.txt.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    failed = run("learn", str(cut), "--lang", "en")
    assert failed.exit_code == 1
    assert "its end is missing" in failed.stderr
    assert known(run)["asked"] == {}
