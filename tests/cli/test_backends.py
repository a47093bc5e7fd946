"""One line of settings takes every command and every example to another store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
SETTINGS = """\
store = "{store}"
[stores.local]
kind = "faiss"
path = "faiss"
[stores.prod]
kind = "qdrant"
path = "qdrant"
[stores.edge]
kind = "qdrant-edge"
path = "edge"
"""
STORES = ("local", "prod", "edge")
OF_ITSELF = ("name", "count", "languages", "dimension", "embedder", "fields", "format_version")
"""What `info` tells of a collection, and not of its place."""
OF_THE_MOMENT = {"seconds", "path", "store", "bytes"}

ROWS = [
    {"id": "cat de", "text": "Die Katze sitzt auf der Matte.", "lang": "de", "n": 1},
    {"id": "cat/fr", "text": "Le chat est assis sur le tapis.", "lang": "fr", "n": 2},
    {"id": "雨", "text": "Morgen wird es den ganzen Tag regnen.", "lang": "de-AT", "n": 3},
    {"text": "Mañana lloverá todo el día.", "tags": ["a", "b"]},
]
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("ingest", "rows.jsonl", "--json"),
    ("ingest", "rows.jsonl", "--json"),
    ("search", "the cat is on the mat", "--json"),
    ("search", "tomorrow it will rain", "--langs", "de,es", "--where", "n != 1 or n is missing"),
    ("search", "rain", "--exact", "--where", "tags contains a", "--json"),
    ("get", "cat de", "雨", "cat/fr"),
    ("get", "nobody"),
    ("info", "--json"),
    ("collections", "--json"),
    ("export", "--langs", "!de"),
    ("export", "--vectors", "--where", "n >= 2"),
    ("delete", "cat/fr", "--json"),
    ("delete", "--where", "n = 3", "--yes", "--json"),
    ("compact",),
    ("repair",),
    ("info", "--json"),
    ("reembed", "--discard"),
    ("drop", "documents", "--yes", "--json"),
    ("collections", "--json"),
    ("search", "the cat is on the mat"),
)


def answers(run: Any, folder: Path, store: str) -> list[tuple[str, int, object]]:
    (folder / "xlingual.toml").write_text(SETTINGS.format(store=store), encoding="utf-8")
    seen: list[tuple[str, int, object]] = []
    for command in COMMANDS:
        result = run(*command)
        assert "internal error" not in result.stderr, result.stderr
        seen.append((" ".join(command), result.exit_code, comparable(result.stdout)))
    return seen


def comparable(output: str) -> object:
    """Return what is printed without what tells of the place, in any order, scores rounded."""
    lines = [rounded(line) for line in output.splitlines()]
    return sorted(lines, key=repr)


def rounded(line: str) -> object:
    try:
        value = json.loads(line)
    except ValueError:
        return line
    if not isinstance(value, dict):
        return value
    if "format_version" in value:
        return {key: value[key] for key in OF_ITSELF}
    value = {key: each for key, each in value.items() if key not in OF_THE_MOMENT}
    if "vector" in value:
        value["vector"] = [round(x, 5) for x in value["vector"]]
    if "score" in value:
        value["score"] = round(value["score"], 4)
    if "files" in value:
        value["files"] = len(value["files"])
    return value


def test_every_command_does_the_same_on_every_store(run, folder):
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8"
    )
    expected = answers(run, folder, STORES[0])
    assert [command for command, code, _ in expected if code] == [
        "get nobody",
        "search the cat is on the mat",
    ]
    for store in STORES[1:]:
        assert answers(run, folder, store) == expected


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_every_example_does_the_same_on_every_store(example, folder):
    printed = set()
    for store in STORES:
        (folder / "xlingual.toml").write_text(SETTINGS.format(store=store), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(example)], cwd=folder, capture_output=True, check=True, timeout=60
        )
        printed.add(done.stdout)
    assert len(printed) == 1
