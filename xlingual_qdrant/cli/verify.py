"""`xlingual verify`."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import islice

import click
from click.exceptions import Exit

from xlingual_qdrant.cli.addresses import explained, opened, source_name
from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.cli.progress import progress_bar

LANGUAGES_SHOWN = 12


@click.command(
    help=explained(
        """
        Compare a collection in SRC with its copy in DST, document by document.

        Ids, texts, languages, metadata and vectors are read on both sides; nothing is changed. The
        exit code is 1 if anything differs.
        """
    ),
    epilog="""\b
Examples:
  xlingual verify local prod
  xlingual verify local/support prod/support-2025 --json""",
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--detect-languages", is_flag=True, help="The copy was made with --detect-languages.")
@common_options
@pass_options
def command(options: Options, source: str, target: str, detect_languages: bool) -> None:
    """Compare a collection with its copy."""
    from xlingual_qdrant.settings import load_detector
    from xlingual_qdrant.transfer import verify

    with ExitStack() as stack:
        here, there = opened(source, target, options, stack)
        name = source_name(here, options)
        to = there.collection or name
        detector = load_detector(None, settings=options.settings()) if detect_languages else None
        with progress_bar(options) as bar:
            found = verify(
                here.store,
                there.store,
                name,
                to=to,
                detector=detector,
                on_progress=bar.count if bar else None,
            )
        sides = (
            (f"'{name}' in {here.store.location}", found.source),
            (f"'{to}' in {there.store.location}", found.target),
        )
    for place, side in sides:
        count = counted(side.count, "document")
        options.say(f"{place}: {count}, checksum {side.checksum[:16]}")
        languages = [f"{lang} {count:,}" for lang, count in side.languages.most_common()]
        more = len(languages) - LANGUAGES_SHOWN
        shown = ", ".join(islice(languages, LANGUAGES_SHOWN))
        if languages:
            options.say(f"  languages  {shown}{f' and {more} more' if more > 0 else ''}")
    options.say(f"Vectors differ by {found.largest_difference:.0e} at most.")
    if options.json:
        print_json([found.to_json()])
    if found.same:
        options.say("They are the same.")
        return
    for line in found.differences():
        note(f"Error: {line}")
    raise Exit(1)
