"""`xlingual compact`."""

from __future__ import annotations

import click

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import counted, print_json


@click.command(
    epilog="""\b
Example:
  xlingual compact --collection support"""
)
@common_options
@pass_options
def command(options: Options) -> None:
    """Give back the room of deleted and replaced documents, and renew the indexes.

    With --json the facts of `xlingual info` are printed.
    """
    with options.open_stored() as collection:
        collection.compact()
        info = collection.info()
    options.say(f"Compacted '{info.name}' with {counted(info.count, 'document')}.")
    if options.json:
        print_json([info.to_json()])
