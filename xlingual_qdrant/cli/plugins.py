"""`xlingual plugins`."""

from __future__ import annotations

import click

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows
from xlingual_qdrant.errors import XlingualError
from xlingual_qdrant.ports import DetectorPlugin, EmbedderPlugin, StorePlugin
from xlingual_qdrant.registry import Installed, installed, plugin


@click.command(
    epilog="""\b
Examples:
  xlingual plugins
  xlingual plugins --json"""
)
@common_options
@pass_options
def command(options: Options) -> None:
    """List the stores, embedders and language detectors that are installed.

    The kind is what a section of the settings names. With --json an object a line is printed,
    with role, kind, package, target and summary.
    """
    rows = [(there, _summary(there)) for there in installed()]
    if options.json:
        print_json(
            {
                "role": there.role,
                "kind": there.kind,
                "package": there.package,
                "target": there.target,
                "summary": summary,
            }
            for there, summary in rows
        )
    else:
        print_rows(
            ("role", "kind", "package", "summary"),
            [(there.role, there.kind, there.package, summary) for there, summary in rows],
        )


def _summary(there: Installed) -> str:
    """Return what an adapter says of itself, or why it cannot be used."""
    try:
        match there.role:
            case "store":
                return plugin(there.role, there.kind, StorePlugin).summary
            case "embedder":
                return plugin(there.role, there.kind, EmbedderPlugin).summary
            case "detector":
                return plugin(there.role, there.kind, DetectorPlugin).summary
    except (XlingualError, ImportError, AttributeError) as exc:
        return f"cannot be used: {exc}"
