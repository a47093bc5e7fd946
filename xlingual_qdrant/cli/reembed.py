"""`xlingual reembed`."""

from __future__ import annotations

from contextlib import closing

import click

from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import counted, print_json
from xlingual_qdrant.cli.progress import progress_bar


@click.command(
    epilog="""\b
Examples:
  xlingual reembed --embedder minilm
  xlingual reembed --collection support --store prod
  xlingual reembed --discard"""
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=4096,
    metavar="N",
    help="Embed and write this many texts at once [4096].",
)
@click.option(
    "--discard", is_flag=True, help="Remove what an interrupted re-embedding has left instead."
)
@common_options
@pass_options
def command(options: Options, batch_size: int, discard: bool) -> None:
    """Embed all texts of a collection again, with another embedder, without a pause for readers.

    The new vectors are made beside the old ones and take their place in one step, when all are
    there. If it is interrupted, the same command goes on. The old vectors are kept for programs
    that have them open, until `xlingual compact`.
    """
    from xlingual_qdrant.settings import load_embedder, load_store
    from xlingual_qdrant.transfer import reembed

    settings = options.settings()
    name = settings.collection
    with closing(load_store(None, settings=settings)) as store:
        if discard:
            store.discard_replacement(name)
            options.say(
                f"Nothing is left of a re-embedding of '{name}'; the collection is as it was."
            )
            return
        embedder = load_embedder(None, settings=settings)
        try:
            with progress_bar(options) as bar:
                report = reembed(
                    store,
                    name,
                    embedder,
                    batch_size=batch_size,
                    on_progress=bar.count if bar else None,
                )
        except KeyboardInterrupt:
            options.say("\nWhat was embedded is kept; the same command goes on from there.")
            raise
    if report.before == report.after and not report.embedded:
        options.say(f"Nothing to do: '{name}' is made with {report.after} already.")
    else:
        options.say(
            f"Embedded {counted(report.embedded, 'document')} of '{name}' with {report.after}"
            f" in {report.seconds:.1f} s; it holds {report.count:,}."
        )
        if report.truncated:
            cut = f"{report.truncated:,}  longer than the model reads; stored whole"
            options.say(f"  truncated  {cut}")
        options.say(f"Before it was {report.before or 'unknown'}; `xlingual compact` removes that.")
    if options.json:
        print_json([report.to_json()])
