"""`xlingual drop`."""

from __future__ import annotations

from dataclasses import replace

import click

from xlingual_qdrant.cli.options import Options, common_options, note, on_terminal, pass_options
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  xlingual drop support
  xlingual drop support --yes"""
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask for the name again.")
@common_options
@pass_options
def command(options: Options, name: str, yes: bool) -> None:
    """Remove the collection NAME with all its documents, for good.

    It asks for the name again; without a terminal it wants --yes.
    """
    if options.collection not in (None, name):
        raise UsageError(f"two collections are named, '{name}' and '{options.collection}'")
    with replace(options, collection=name).open_stored() as collection:
        count = len(collection)
        if not yes:
            _confirm(name, count)
        collection.drop()
    options.say(f"Dropped '{name}' with {counted(count, 'document')}.")
    if options.json:
        print_json([{"dropped": name, "count": count}])


def _confirm(name: str, count: int) -> None:
    if not on_terminal():
        raise UsageError(
            f"this removes '{name}' with {counted(count, 'document')}, and there is nobody to ask;"
            " give --yes"
        )
    typed = click.prompt(
        f"This removes '{name}' with {counted(count, 'document')}, for good. Type its name again",
        err=True,
    )
    if typed != name:
        note("That is not its name; nothing was removed.")
        raise click.Abort
