"""`xlingual export`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import click

from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import counted, document_row, json_line, numbers, written_file
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import JsonValue


@click.command(
    epilog="""\b
Examples:
  xlingual export > documents.jsonl
  xlingual export --langs fr,de --where 'priority >= 2' --output urgent.jsonl
  xlingual export --vectors | gzip > everything.jsonl.gz"""
)
@langs_option
@where_option
@click.option("--vectors", is_flag=True, help="Add the vector of each document.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write to this file instead of standard output. It appears when it is complete.",
)
@common_options
@pass_options
def command(
    options: Options,
    langs: tuple[str, ...] | None,
    where: str | None,
    vectors: bool,
    output: Path | None,
) -> None:
    """Write the documents out as JSON Lines, in the order of the store (the local one: by id).

    Each line is an object with id, text, lang and metadata; texts are exactly as they came in.
    Languages that were detected are written like those that were declared.
    """
    count = 0
    with options.open_stored() as collection, _target(output) as stream:
        for row in _rows(collection, langs, where, vectors):
            stream.write(json_line(row))
            count += 1
    if output is not None:
        options.say(f"Wrote {counted(count, 'document')} to {output}.")


def _target(output: Path | None) -> AbstractContextManager[BinaryIO]:
    if output is None or str(output) == "-":
        return nullcontext(sys.stdout.buffer)
    return written_file(output)


def _rows(
    collection: Collection, langs: tuple[str, ...] | None, where: str | None, vectors: bool
) -> Iterator[dict[str, JsonValue]]:
    if not vectors:
        for document in collection.documents(langs=langs, where=where):
            yield document_row(document)
        return
    for document, vector in collection.documents(langs=langs, where=where, with_vectors=True):
        yield {**document_row(document), "vector": numbers(vector)}
