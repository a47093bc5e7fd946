"""The program as a whole: its help, its start, and how it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import click
import pytest

from tests.cli.conftest import PROGRAM
from xlingual_qdrant.cli import program
from xlingual_qdrant.cli.options import Options
from xlingual_qdrant.cli.program import COMMANDS, xlingual

COMMON = ("--config", "--collection", "--store", "--embedder", "--quiet", "--json", "--debug")


def command(name: str) -> click.Command:
    found = xlingual.get_command(click.Context(xlingual), name)
    assert found is not None
    return found


def test_help_lists_every_command(run):
    shown = run("--help").stdout
    for name, summary in COMMANDS.items():
        assert f"  {name} " in shown
        assert summary in " ".join(shown.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained_with_examples(run, name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert all(f"{option} " in result.stdout for option in COMMON)
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert (parameter.help or "").endswith((".", "."))


def test_every_file_of_a_command_is_in_the_table():
    folder = Path(program.__file__).parent
    parts = {
        "__init__",
        "addresses",
        "classify_predict",
        "classify_report",
        "duplicate_groups",
        "input",
        "labelled",
        "models_bench",
        "options",
        "output",
        "program",
        "progress",
        "streams",
    }
    assert {file.stem for file in folder.glob("*.py")} - parts == set(COMMANDS)


def test_help_comes_without_loading_what_it_does_not_need():
    code = (
        "import sys\nfrom xlingual_qdrant.cli import xlingual\n"
        "xlingual(['--help'], standalone_mode=False)\nprint('@', *sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(out.stdout.rpartition("@")[2].split())
    assert not {"numpy", "rich", "faiss", "pydantic", "langcodes", "sentencepiece"} & loaded


@pytest.mark.parametrize("name", ["info", "get", "delete", "export", "drop", "compact"])
def test_commands_that_need_no_model_load_none(filled, process, name):
    code = (
        "import sys\nfrom xlingual_qdrant.cli import xlingual\n"
        "xlingual(sys.argv[1:], standalone_mode=False)\nprint('@', *sys.modules)"
    )
    arguments = {"get": ["cat-de"], "delete": ["cat-de"], "drop": ["documents", "--yes"]}
    out = subprocess.run(
        [sys.executable, "-c", code, name, *arguments.get(name, [])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"sentencepiece", "rich", "torch"} & set(out.stdout.rpartition("@")[2].split())


def test_version(run):
    assert run("--version").stdout.startswith("xlingual ")


def test_a_wrong_command_is_told_the_nearest(run):
    result = run("serach")
    assert result.exit_code == 2
    assert "Did you mean 'search'?" in result.stderr
    assert result.stdout == ""


def test_common_options_count_before_the_command_and_after_it(run):
    before = run("--collection", "a", "config")
    both = run("--collection", "a", "config", "--collection", "b")
    assert "collection\ta\targument" in before.stdout
    assert "collection\tb\targument" in both.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("info", "--store", "locl"), "Did you mean 'local'?"),
        (("info", "--config", "missing.toml"), "missing.toml"),
        (("search", "--embedder", "bundeld", "x"), "Did you mean 'bundled'?"),
        (("search", "--langs", "klingon", "x"), "'klingon' is not a language tag"),
        (("search", "-k", "0", "x"), "'-k'"),
        (("delete",), "--where"),
        (("embed", "--output", "x.txt"), ".npy"),
    ],
)
def test_wrong_usage_is_2(filled, run, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["info", "get", "search", "export", "compact", "repair", "drop"])
def test_a_missing_collection_is_1_and_said(run, name):
    result = run(
        "--collection", "nowhere", name, *["nowhere"] * (name in ("get", "search", "drop"))
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no collection 'nowhere'")
    assert result.stdout == ""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is no signal there")
def test_an_interrupt_ends_orderly_beside_a_thread_that_computes(folder):
    # A thread that waits for the interpreter from within torch would abort the process.
    (folder / "busy.py").write_text(
        "import pathlib, torch\n"
        "def embed(texts):\n"
        "    if len(texts) == 6:\n"
        "        return torch.eye(6)\n"
        "    pathlib.Path('begun').touch()\n"
        "    while True:\n"
        "        torch.ones(200, 200) @ torch.ones(200, 200)\n"
    )
    given = {"KIND": "callable", "NAME": "busy", "FUNCTION": "busy:embed"}
    env = {f"XLINGUAL_EMBEDDERS__BUSY__{name}": value for name, value in given.items()}
    with subprocess.Popen(
        [*PROGRAM, "ingest", "--embedder", "busy", "--format", "txt", "-"],
        env={**os.environ, **env, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        child.stdin.write("Guten Morgen\n")
        child.stdin.close()
        child.stdin = None
        until = monotonic() + 60
        while not (folder / "begun").exists() and child.poll() is None and monotonic() < until:
            sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "Interrupted." in said
    assert "terminate" not in said


def test_a_bug_ends_in_one_line(run, monkeypatch):
    monkeypatch.setattr(Options, "settings", lambda self: 1 / 0)
    result = run("info")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: internal error: ZeroDivisionError: division by zero;")
    assert "--debug" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" in run("info", "--debug").stderr
    assert "Traceback" in run("--debug", "info").stderr


def test_an_error_of_the_system_is_said_with_its_file(run, monkeypatch):
    def fail(self: Options) -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setattr(Options, "settings", fail)
    result = run("info")
    assert (result.exit_code, result.stderr) == (1, "Error: /some/file: Permission denied\n")


def test_ctrl_c_is_130(run, monkeypatch):
    def interrupt(self: Options) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Options, "settings", interrupt)
    result = run("info")
    assert (result.exit_code, result.stderr.strip()) == (130, "Interrupted.")


def test_whoever_stops_reading_hears_nothing(folder, run, process):
    lines = "".join(f'{{"text": "Satz Nummer {n}", "lang": "de"}}\n' for n in range(2000))
    assert run("ingest", "-", input=lines).exit_code == 0
    reading, writing = os.pipe()
    os.close(reading)
    result = process("export", stdout=writing)
    os.close(writing)
    assert result.stderr == b""
    assert result.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said(filled, process):
    with Path("/dev/full").open("wb") as full:
        result = process("export", stdout=full)
    assert result.returncode == 1
    assert result.stderr == b"Error: No space left on device\n"


def test_output_is_utf8_in_any_locale(filled, process):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for arguments in (["export"], ["get", "rain-es"], ["search", "rain"]):
        result = process(*arguments, env=ascii_only)
        assert "Mañana lloverá todo el día.".encode() in result.stdout
        assert result.returncode == 0


def test_a_name_that_is_not_utf8_can_be_spoken_of(process):
    result = process("ingest", b"caf\xe9.jsonl")
    assert result.returncode == 2
    assert b"caf\\udce9.jsonl" in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
@pytest.mark.parametrize(("closing", "code"), [(">&-", 0), ("2>&-", 0), ("<&-", 0)])
def test_closed_streams_do_no_harm(filled, closing, code):
    command = f'"$0" -c "from xlingual_qdrant.cli import main; main()" export {closing}'
    result = subprocess.run(["sh", "-c", command, sys.executable], capture_output=True)
    assert (result.returncode, result.stderr) == (code, b"")
