"""`xlingual config`."""

from __future__ import annotations

import json
from typing import cast

import click

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import print_json, print_rows
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.effective import effective


@click.command(
    epilog="""\b
Examples:
  xlingual config
  xlingual config stores.local
  xlingual config --config prod.toml --json"""
)
@click.argument("key", required=False)
@common_options
@pass_options
def command(options: Options, key: str | None) -> None:
    """Show the settings in force, and where each came from; secrets are masked.

    With KEY only the setting of that name is shown, or those below it: store, stores.local.

    What wins, from the strongest: options of the command line, environment variables
    (XLINGUAL_...), the file of --config or else xlingual.toml in this folder or one above it,
    defaults. With --json one object is printed, with value and origin of each setting.
    """
    rows = effective(options.settings(), key)
    if options.json:
        values = {name: (cast(JsonValue, value), origin) for name, value, origin in rows}
        print_json(
            [{name: {"value": value, "origin": origin} for name, (value, origin) in values.items()}]
        )
    else:
        print_rows(("setting", "value", "origin"), [(n, _in_words(v), o) for n, v, o in rows])


def _in_words(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
