"""How results are printed: JSON Lines for programs, a table for people, lines for pipes."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from xlingual_qdrant.documents import Document, JsonValue

_LINE_BREAKING = re.compile("[\x7f-\x9f\u2028\u2029]")
"""What JSON lets pass, but a terminal would obey or a reader of lines would break at."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\\\\]")
"""Control characters, line separators, and what turns the direction of all that follows."""
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_SHOWN = 400
"""Characters of a text that a table shows; its rows stay on one screen."""


def json_line(row: Mapping[str, JsonValue]) -> bytes:
    """Return an object as a line of UTF-8; every value survives, no line reader stumbles."""
    line = json.dumps(row, ensure_ascii=False)
    line = _LINE_BREAKING.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
    return line.encode() + b"\n"


def print_json(rows: Iterable[Mapping[str, JsonValue]]) -> None:
    """Print objects to standard output, one a line."""
    for row in rows:
        sys.stdout.buffer.write(json_line(row))
    sys.stdout.buffer.flush()


def escaped(text: str) -> str:
    """Return a text on one line, with nothing in it that a terminal would obey.

    Written as in Python and JSON: tab is \\t, line feed \\n, escape \\x1b, backslash \\\\.
    """
    return _CONTROL.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return _SHORT.get(found[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def print_rows(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
) -> None:
    """Print a table when standard output is a terminal, else lines with tabs between.

    The last column is the one that wraps. Lines have no heading: they are for `cut` and `awk`.
    """
    if sys.stdout.isatty():
        print_table(columns, rows, title=title)
        return
    for row in rows:
        click.echo("\t".join(escaped(str(cell)) for cell in row))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
) -> None:
    """Print a table for people.

    Texts are in the last column, with no border behind them, so that one that runs from right
    to left cannot move the columns of its row.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        title=Text(escaped(title)) if title else None,
        title_justify="left",
    )
    for name in columns[:-1]:
        table.add_column(name, no_wrap=name in ("score", "lang"), overflow="fold")
    table.add_column(columns[-1], ratio=1, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shortened(escaped(str(cell)))) for cell in row))
    Console(highlight=False).print(table)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 document", "2,000 documents"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def document_row(document: Document) -> dict[str, JsonValue]:
    """Return a document as `export` and `get` print it."""
    return {
        "id": document.id,
        "text": document.text,
        "lang": document.lang,
        "metadata": cast("dict[str, JsonValue]", document.metadata),
    }


def numbers(vector: Any) -> list[JsonValue]:
    """Return a float32 vector with the 9 digits that give exactly the same vector back."""
    return [float(f"{x:.9g}") for x in vector.tolist()]


@contextmanager
def written_file(path: Path) -> Generator[BinaryIO]:
    """Open a file that appears when all is written; what was there stays until then.

    A device or a named pipe is written directly.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    target = path.resolve()  # a link stays a link
    with tempfile.NamedTemporaryFile(
        dir=target.parent, prefix=f".{target.name[:50]}-", delete=False
    ) as stream:
        try:
            yield cast(BinaryIO, stream)
            stream.flush()
            _with_usual_mode(stream.name)
            Path(stream.name).replace(target)
        except BaseException:
            Path(stream.name).unlink(missing_ok=True)
            raise


def _with_usual_mode(file: str) -> None:
    """Give a temporary file, which only its owner may read, the mode of any new file."""
    mask = os.umask(0)
    os.umask(mask)
    Path(file).chmod(0o666 & ~mask)
