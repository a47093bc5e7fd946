"""`xlingual collections`."""

from __future__ import annotations

import click

from xlingual_qdrant.chunks import only_documents
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows
from xlingual_qdrant.settings import load_store


@click.command(
    epilog="""\b
Examples:
  xlingual collections
  xlingual collections --store prod --json"""
)
@common_options
@pass_options
def command(options: Options) -> None:
    """List the collections of the store, and how many documents each holds.

    With --json an object a line is printed, with name and count.
    """
    store = load_store(None, settings=options.settings())
    try:
        opened = [(name, store.open(name)) for name in store.list()]
        counts = [(name, stored.count(only_documents(stored))) for name, stored in opened]
    finally:
        store.close()
    if options.json:
        print_json({"name": name, "count": count} for name, count in counts)
    else:
        print_rows(("name", "count"), [(name, f"{count:,}") for name, count in counts])
        if not counts:
            options.say(f"There are no collections in {store.location}.")
