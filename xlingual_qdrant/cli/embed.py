"""`xlingual embed`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import click
import numpy as np

from xlingual_qdrant.cli.input import lines_of_stdin
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import numbers, print_json, written_file
from xlingual_qdrant.errors import InvalidDocument, InvalidInput, UsageError
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.settings import load_embedder
from xlingual_qdrant.validation import check_text

AT_ONCE = 1024
"""Texts that are embedded together."""

Role = Literal["query", "document"]


@click.command(
    epilog="""\b
Examples:
  xlingual embed < texts.txt > vectors.jsonl
  xlingual embed --role query --output queries.npy < questions.txt"""
)
@click.option(
    "--role",
    type=click.Choice(["document", "query"]),
    default="document",
    show_default=True,
    help="Say what the texts are; some models treat the two differently.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.npy",
    help="Write an array of NumPy, float32, one row a text, instead of JSON Lines.",
)
@common_options
@pass_options
def command(options: Options, role: Role, output: Path | None) -> None:
    """Turn the texts on standard input, one on each line, into vectors.

    Each line of the output is an object with text and vector, in the order of the input. Vectors
    have length 1. An empty line is an error, so that texts and vectors stay side by side.
    """
    if output is not None and output.suffix != ".npy":
        raise UsageError(f"--output writes a .npy file, and {output} is none; rename it")
    embedder = load_embedder(None, settings=options.settings())
    embedded = _embedded(embedder, role)
    if output is None:
        for texts, vectors in embedded:
            print_json(
                {"text": text, "vector": numbers(vector)}
                for text, vector in zip(texts, vectors, strict=True)
            )
        return
    parts = [vectors for _, vectors in embedded]
    rows = np.concatenate(parts or [np.empty((0, embedder.dimension), dtype=np.float32)])
    with written_file(output) as stream:
        np.save(stream, rows, allow_pickle=False)
    options.say(f"Wrote {len(rows):,} vectors of {rows.shape[1]} dimensions to {output}.")


def _embedded(embedder: Embedder, role: Role) -> Iterator[tuple[list[str], Vectors]]:
    embed = embedder.embed_queries if role == "query" else embedder.embed_documents
    texts = _checked_lines()
    while batch := list(islice(texts, AT_ONCE)):
        yield batch, embed(batch)


def _checked_lines() -> Iterator[str]:
    for number, line in enumerate(lines_of_stdin(keep_blank=True), 1):
        try:
            yield check_text(line)
        except InvalidDocument as exc:
            raise InvalidInput(
                f"standard input, line {number}: {exc.detail} ({exc.reason})"
            ) from None
