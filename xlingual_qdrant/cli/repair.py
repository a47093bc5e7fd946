"""`xlingual repair`."""

from __future__ import annotations

import click

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import counted, print_json


@click.command(
    epilog="""\b
Example:
  xlingual repair --collection support"""
)
@common_options
@pass_options
def command(options: Options) -> None:
    """Check all vectors, and embed the documents again whose vectors are damaged.

    Their texts are kept apart from the vectors, so nothing is lost.
    """
    with options.open() as collection:
        repaired = collection.repair()
        count = len(collection)
    options.say(f"Repaired {repaired:,} of {counted(count, 'document')}.")
    if options.json:
        print_json([{"repaired": repaired}])
