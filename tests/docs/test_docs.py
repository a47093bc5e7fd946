"""README and docs say what is so: every example runs, every output shown is what came out.

In a Markdown file, all examples of a section (a `##` heading) run in one empty folder, in order:

- a `python` block runs as a program;
- a `console` block holds `$ ` command lines, each followed by what it prints;
- a `toml`, `json` or `jsonl` block whose first line is a comment with a file name is written there;
- a `text` block is what the block before it prints.

`...` stands for anything, on a line or as a line of its own. Blocks of other languages, such as
`sh`, are not run. `examples/` is there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_LINE = re.compile(r"^(?:#|//) (\S+\.\w+)\n")


class Section(NamedTuple):
    page: str
    title: str
    blocks: list[tuple[str, str]]


def sections() -> Iterator[Section]:
    for page in PAGES:
        for part in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if blocks := BLOCK.findall(part):
                yield Section(page.name, part.splitlines()[0], blocks)


def agrees(shown: str, printed: str) -> bool:
    pattern = re.escape(shown.strip()).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def run(command: str, folder: Path) -> str:
    """Return what a shell command prints, on both streams, as a reader of the page would see it."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    known = {k: v for k, v in os.environ.items() if not k.startswith("XLINGUAL_")}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env={**known, "PATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("section", list(sections()), ids=lambda s: f"{s.page}: {s.title}")
def test_examples_print_what_the_page_shows(section: Section, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    printed = ""
    for language, body in section.blocks:
        named = FILE_LINE.match(body)
        if language == "python":
            (tmp_path / "example.py").write_text(body, encoding="utf-8")
            printed = run("python example.py", tmp_path)
            assert "Traceback" not in printed, printed
        elif language == "console":
            for example in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                command, _, shown = example.partition("\n")
                printed = run(command, tmp_path)
                assert agrees(shown, printed), f"$ {command}\n{printed}"
        elif language == "text":
            assert agrees(body, printed), printed
        elif named:
            text = body if language == "toml" else body[named.end() :]
            (tmp_path / named[1]).write_text(text, encoding="utf-8")


def test_every_example_is_run_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for example in sorted((ROOT / "examples").glob("*.py")):
        assert f"$ python examples/{example.name}\n" in readme
