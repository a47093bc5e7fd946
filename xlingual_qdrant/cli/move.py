"""`xlingual move`."""

from __future__ import annotations

from contextlib import ExitStack

import click

from xlingual_qdrant.cli.addresses import explained, opened, source_name
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.cli.progress import progress_bar
from xlingual_qdrant.errors import StoreUnavailable, UsageError


@click.command(
    help=explained(
        """
        Copy a collection with its vectors from SRC to DST, and verify the copy.

        Nothing is embedded again, and SRC stays as it is. If it is interrupted, the same command
        goes on where it was; when it is done, the same command copies what has changed since.
        What DST holds besides stays there.
        """
    ),
    epilog="""\b
Examples:
  xlingual move local prod
  xlingual move local/support prod/support-2025
  xlingual move faiss:backup local
  xlingual move langchain-faiss:old_index local/support --embedder minilm --detect-languages""",
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option("--detect-languages", is_flag=True, help="Find the language of texts that have none.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1000,
    metavar="N",
    help="Carry this many documents at once [1000].",
)
@common_options
@pass_options
def command(
    options: Options, source: str, target: str, detect_languages: bool, batch_size: int
) -> None:
    """Copy a collection from one store to another."""
    from xlingual_qdrant.settings import load_detector, load_embedder
    from xlingual_qdrant.transfer import move

    with ExitStack() as stack:
        here, there = opened(source, target, options, stack)
        if not there.store.capabilities.persistent:
            raise UsageError(f"'{target}' keeps nothing when the command ends; name another DST")
        name = source_name(here, options)
        to = there.collection or name
        settings = options.settings()
        # Only an embedder that is named here says what the vectors were made with.
        embedder = load_embedder(None, settings=settings) if options.embedder else None
        detector = load_detector(None, settings=settings) if detect_languages else None
        try:
            with progress_bar(options) as bar:
                report = move(
                    here.store,
                    there.store,
                    name,
                    to=to,
                    embedder=embedder,
                    detector=detector,
                    batch_size=batch_size,
                    on_progress=bar.count if bar else None,
                )
        except (KeyboardInterrupt, StoreUnavailable):
            options.say("\nWhat was copied is kept; the same command goes on from there.")
            raise
    found = report.comparison
    options.say(
        f"Copied '{name}' from {here.store.location} to '{to}' in {there.store.location}"
        f" in {report.seconds:.1f} s:"
    )
    options.say(f"  {'documents':<10}{report.read:>12,}")
    resumed = "  the others were there from before" if report.written < report.read else ""
    options.say(f"  {'written':<10}{report.written:>12,}{resumed}")
    options.say(
        f"  {'verified':<10}{found.source.count:>12,}  checksum {found.source.checksum[:16]},"
        f" vectors differ by {found.largest_difference:.0e} at most"
    )
    if found.extra:
        more = counted(found.extra, "document")
        options.say(f"'{to}' holds {more} that '{name}' does not have.")
    if options.json:
        print_json([report.to_json()])
