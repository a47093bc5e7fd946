"""The program run in an empty folder: in this process, as a process, and at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from xlingual_qdrant import Collection
from xlingual_qdrant.cli import xlingual

PROGRAM = [sys.executable, "-c", "from xlingual_qdrant.cli import main; main()"]

DOCUMENTS = [
    {"id": "cat-de", "text": "Die Katze sitzt auf der Matte.", "lang": "de", "metadata": {"n": 1}},
    {"id": "cat-fr", "text": "Le chat est assis sur le tapis.", "lang": "fr", "metadata": {"n": 2}},
    {"id": "rain-de", "text": "Morgen wird es den ganzen Tag regnen.", "lang": "de"},
    {"id": "rain-es", "text": "Mañana lloverá todo el día.", "lang": "es", "metadata": {"n": 4}},
]

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, without settings from outside."""
    for name in os.environ:
        if name.startswith("XLINGUAL_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run() -> Run:
    """Run the program in this process, with its arguments and `input` for standard input."""

    def invoke(*arguments: str, input: str | bytes | None = None) -> Result:
        return CliRunner().invoke(xlingual, list(arguments), input=input)

    return invoke


@pytest.fixture
def filled(folder: Path) -> Path:
    """The folder, with the documents in its collection."""
    with Collection.open() as collection:
        collection.add(DOCUMENTS)
    return folder


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the program as a process of its own."""

    def started(
        *arguments: str | bytes,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        stdout: Any = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*map(os.fsencode, PROGRAM), *map(os.fsencode, arguments)],
            input=b"" if input is None else input,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            timeout=60,
        )

    return started


@pytest.fixture
def terminal() -> Callable[..., tuple[int, str]]:
    """Run the program at a terminal of 100 columns; return its exit code and what it showed."""
    pty = pytest.importorskip("pty")

    def shown(*arguments: str, typed: str = "") -> tuple[int, str]:
        master, slave = pty.openpty()
        env = {**os.environ, "COLUMNS": "100", "TERM": "xterm"}
        child = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=slave, stdout=slave, stderr=slave, env=env
        )
        os.close(slave)
        os.write(master, typed.encode())
        received = bytearray()
        try:
            while part := os.read(master, 65536):
                received += part
        except OSError:  # how Linux says that the other side has gone
            pass
        os.close(master)
        return child.wait(timeout=60), received.decode()

    return shown


def rows(output: str) -> list[dict[str, Any]]:
    """Return the objects of JSON Lines."""
    return [json.loads(line) for line in output.split("\n") if line]


@pytest.fixture
def parse() -> Callable[[str], list[dict[str, Any]]]:
    """Read JSON Lines."""
    return rows
