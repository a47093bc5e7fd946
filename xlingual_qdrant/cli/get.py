"""`xlingual get`."""

from __future__ import annotations

import json

import click

from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import document_row, escaped, print_json, print_rows


@click.command(
    epilog="""\b
Examples:
  xlingual get ticket-17
  xlingual get --json ticket-17 ticket-18"""
)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@common_options
@pass_options
def command(options: Options, ids: tuple[str, ...]) -> None:
    """Print the documents with these ids, in their order.

    On a terminal a table is printed, into a pipe lines of language, id, metadata and text with
    tabs between them, with --json an object a line. If an id is not there, the others are printed
    and the exit code is 1.
    """
    with options.open_stored() as collection:
        found = collection.get_many(ids)
        documents = [document for document in found if document is not None]
        if options.json:
            print_json(document_row(document) for document in documents)
        elif documents:
            rows = [
                (d.lang, d.id, json.dumps(d.metadata, ensure_ascii=False), d.text)
                for d in documents
            ]
            print_rows(("lang", "id", "metadata", "text"), rows)
        missing = [id for id, document in zip(ids, found, strict=True) if document is None]
        for id in missing:
            note(f"Error: no document '{escaped(id)}' in collection '{collection.name}'")
    if missing:
        raise click.exceptions.Exit(1)
