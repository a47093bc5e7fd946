"""`xlingual info`."""

from __future__ import annotations

import json

import click

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows
from xlingual_qdrant.documents import JsonValue


@click.command(
    epilog="""\b
Examples:
  xlingual info
  xlingual info --collection support --json"""
)
@common_options
@pass_options
def command(options: Options) -> None:
    """Say what a collection holds: documents, languages, embedder, and the place it is in.

    With --json one object is printed, with at least count, languages, dimension, embedder, store,
    and path or url.
    """
    with options.open_stored() as collection:
        info = collection.info()
    facts = info.to_json()
    if options.json:
        print_json([facts])
    else:
        # The place comes last: it is different with each store.
        names = sorted(facts, key=lambda name: name in info.place)
        print_rows(("fact", "value"), [(name, _in_words(facts[name])) for name in names])


def _in_words(value: JsonValue) -> str:
    match value:
        case dict() if all(isinstance(part, str | int) for part in value.values()):
            return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items()) or "none"
        case dict() | list() | bool():
            return json.dumps(value, ensure_ascii=False)
        case int():
            return f"{value:,}"
        case None:
            return "none"
        case _:
            return str(value)
