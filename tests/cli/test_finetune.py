"""`xlingual finetune`, also killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import PROGRAM
from tests.unit.finetuning.invented import invented_pairs, small_model, write_pairs

pytest.importorskip("accelerate", reason="fine-tuning needs the extra 'train'")
pytest.importorskip("datasets", reason="fine-tuning needs the extra 'train'")

OPTIONS = ("--pairs", "pairs.jsonl", "--epochs", "4", "--batch-size", "32")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return small_model(tmp_path_factory.mktemp("small") / "model")


@pytest.fixture
def place(folder, model) -> Path:
    """A folder with pairs, and with settings that name the small model."""
    write_pairs(folder / "pairs.jsonl", invented_pairs())
    settings = f'[embedders.small]\nkind = "static"\npath = "{model.as_posix()}"\n'
    (folder / "xlingual.toml").write_text(settings, encoding="utf-8")
    return folder


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "finetune", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for(child: subprocess.Popen[str], what: str) -> None:
    assert child.stderr is not None
    for line in child.stderr:
        if what in line:
            return
    pytest.fail(f"it ended without saying {what!r}")


def test_a_run_that_is_killed_goes_on_to_the_same_model(place, run, parse):
    whole = run("finetune", *OPTIONS, "--model", "small", "--output", "whole")
    assert whole.exit_code == 0, whole.stderr
    child = started(*OPTIONS, "--model", "small", "--output", "killed")
    wait_for(child, "step     9")
    child.kill()
    child.communicate()
    assert not (place / "killed").exists()
    again = run("finetune", *OPTIONS, "--model", "small", "--output", "killed")
    assert again.exit_code == 2
    assert "--resume goes on" in again.stderr
    resumed = run(
        "finetune", *OPTIONS, "--model", "small", "--output", "killed", "--resume", "--json"
    )
    assert resumed.exit_code == 0, resumed.stderr
    assert "step     3 of" not in resumed.stderr
    [row] = parse(resumed.stdout)
    assert row["settings"] == {"kind": "static", "path": str(place / "killed")}
    tables = [(place / name / "table.safetensors").read_bytes() for name in ("whole", "killed")]
    assert tables[0] == tables[1]
    assert sorted(path.name for path in place.iterdir()) == [
        "killed",
        "pairs.jsonl",
        "whole",
        "xlingual.toml",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_says_how_to_go_on(place):
    child = started(*OPTIONS, "--model", "small", "--output", "mine")
    wait_for(child, "step     3")
    child.send_signal(signal.SIGINT)
    printed, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert printed == ""
    assert "--resume goes on" in said
    assert "Traceback" not in said


def test_the_summary_shows_gains_and_the_lines_for_the_settings(place, run):
    done = run("finetune", *OPTIONS, "--model", "small", "--output", "mine")
    assert done.exit_code == 0, done.stderr
    assert "before   after" in done.stdout
    assert f'  kind = "static"\n  path = "{place / "mine"}"' in done.stdout
    assert "xlingual reembed --embedder mine" in done.stdout
    assert "held out" in done.stderr
    assert "are few" in done.stderr  # 24 pairs
    settings = done.stdout[done.stdout.index("  [embedders.mine]") :].split("\n\n")[0]
    lines = "\n".join(line.strip() for line in settings.splitlines())
    (place / "xlingual.toml").write_text(f'embedder = "mine"\n{lines}\n', encoding="utf-8")
    assert run("embed", input="kalin mordor\n").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--output", "mine"), "--pairs"),
        (("--pairs", "pairs.jsonl"), "--output"),
        (("--pairs", "missing.tsv", "--output", "mine"), "no such file"),
        (("--pairs", "pairs.jsonl", "--output", "mine", "--model", "smal"), "'small'"),
        (("--pairs", "pairs.jsonl", "--output", "mine", "--held-out", "many"), "a share such as"),
        (("--pairs", "pairs.jsonl", "--output", "mine", "--left", "left"), "--right"),
        (("--pairs", "pairs.jsonl", "--output", "pairs.jsonl"), "is a file"),
        (("--pairs", "pairs.jsonl", "--output", "mine", "--left-lang", "klingonisch"), "tag"),
    ],
)
def test_wrong_usage_ends_with_2_and_words(place, run, arguments, says):
    done = run("finetune", *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (place / "mine").exists()
    assert not (place / "mine.partial").exists()
