"""`xlingual delete`."""

from __future__ import annotations

import click

from xlingual_qdrant.cli.options import (
    Options,
    common_options,
    langs_option,
    on_terminal,
    pass_options,
    where_option,
)
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  xlingual delete ticket-17 ticket-18
  xlingual delete --langs de --where 'year < 2020'
  xlingual delete --where 'status = closed' --yes"""
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@where_option
@langs_option
@click.option("--yes", is_flag=True, help="Do not ask before deleting by a condition.")
@common_options
@pass_options
def command(
    options: Options,
    ids: tuple[str, ...],
    where: str | None,
    langs: tuple[str, ...] | None,
    yes: bool,
) -> None:
    """Delete documents by their IDs, or all that match a condition.

    Before deleting by a condition it says how many documents match and asks; without a terminal
    it wants --yes. An id that is not there is no error. To remove a whole collection use
    `xlingual drop`.
    """
    if not (ids or where or langs):
        raise UsageError("give IDs, --where or --langs; to remove the collection: xlingual drop")
    with options.open_stored() as collection:
        if ids:
            deleted = collection.delete(ids or None, where=where, langs=langs)
        else:
            matching = collection.count(where=where, langs=langs)
            if matching and not yes:
                _confirm(f"{matching:,} of {len(collection):,} documents of '{collection.name}'")
            deleted = collection.delete(where=where, langs=langs)
    options.say(f"Deleted {counted(deleted, 'document')}.")
    if options.json:
        print_json([{"deleted": deleted}])


def _confirm(what: str) -> None:
    if not on_terminal():
        raise UsageError(f"this deletes {what}, and there is nobody to ask; give --yes")
    click.confirm(f"Delete {what}?", abort=True, err=True)
