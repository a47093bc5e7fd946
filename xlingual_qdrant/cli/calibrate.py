"""`xlingual calibrate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xlingual_qdrant.cli.options import Options, common_options, note, pass_options
from xlingual_qdrant.cli.output import counted, print_json, print_rows
from xlingual_qdrant.cli.progress import progress_bar
from xlingual_qdrant.errors import UsageError

if TYPE_CHECKING:
    from xlingual_qdrant.calibration import Bin, Calibration, Cut
    from xlingual_qdrant.collection import Collection
    from xlingual_qdrant.parallel.reading import PairColumns
    from xlingual_qdrant.queries.scores.labelled_pairs import LabelledPair

_BAR = 40
"""Characters of a full bar."""


@click.command(
    epilog="""\b
Examples:
  xlingual calibrate translations.tsv --left-lang en --right-lang de
  xlingual calibrate judged.csv --label verdict
  xlingual calibrate graded.tsv --label grade --same-from 4
  xlingual calibrate
  xlingual calibrate --show --plot reliability.png
  xlingual calibrate --forget"""
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--label",
    metavar="COLUMN",
    help="The column that says whether two texts say the same: 1 or 0, yes or no [label, if it"
    " is there; else all pairs do].",
)
@click.option(
    "--same-from",
    type=float,
    metavar="GRADE",
    help="The labels are grades; from this one on two texts say the same.",
)
@click.option("--left", metavar="COLUMN", help="The column of the one text [left, source, first].")
@click.option(
    "--right", metavar="COLUMN", help="The column of the other text [right, target, second]."
)
@click.option("--left-lang", metavar="TAG", help="The language of the left texts [detected].")
@click.option("--right-lang", metavar="TAG", help="The language of the right texts [detected].")
@click.option("--show", is_flag=True, help="Show the calibration in force; learn nothing.")
@click.option("--forget", is_flag=True, help="Forget what was learned for this collection.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw how well the probabilities hold, as .png or .svg (extra 'plots').",
)
@common_options
@pass_options
def command(
    options: Options,
    files: tuple[str, ...],
    label: str | None,
    same_from: float | None,
    left: str | None,
    right: str | None,
    left_lang: str | None,
    right_lang: str | None,
    show: bool,
    forget: bool,
    plot: Path | None,
) -> None:
    """Learn from which score on two texts say the same, for each pair of languages.

    FILE is a table of pairs: CSV, TSV, JSONL, Parquet, also .gz. With labels, some pairs say the
    same and some do not; without, all of them do, such as translations, and each text also makes
    a pair with the nearest wrong one. Without a FILE the documents of the collection are asked.

    What is learned is kept with the collection, in place of what was there, and used by score,
    search, dedup and mine. Another embedder does not use it.

    On a terminal tables are printed, into a pipe lines of measure, both languages, threshold, F1 on
    pairs held out, number of pairs and method with tabs between them, with --json one object.
    """
    from xlingual_qdrant.parallel.reading import PairColumns

    _check(files, label, same_from, show, forget, plot)
    columns = PairColumns(left, right, left_lang, right_lang)
    if forget or show:
        with options.open_stored() as collection:
            _forget(collection, options) if forget else _show(collection, plot, options)
        return
    pairs = _read(files, columns, label, same_from, options) if files else None
    with options.open() as collection:
        replaced = _learned_from_labels(collection)
        learned = _learn(collection, pairs, options)
        if options.json:
            print_json([learned.model_dump(mode="json")])
        else:
            _print(learned, None if pairs is not None else _langs(collection), options)
        _draw(learned, plot, options)
        options.say(f"Learned from {learned.source}; kept with '{collection.name}'.")
        if replaced is not None:
            options.say(f"Replaced the one learned from {replaced}.")


def _check(
    files: tuple[str, ...],
    label: str | None,
    same_from: float | None,
    show: bool,
    forget: bool,
    plot: Path | None,
) -> None:
    """Refuse what does not go together, before anything is read."""
    if show and forget:
        raise UsageError("give either --show or --forget")
    if files and (show or forget):
        raise UsageError(f"--{'show' if show else 'forget'} takes no files")
    if not files and (label is not None or same_from is not None):
        raise UsageError("--label and --same-from say something of a file; name the file")
    if plot is None:
        return
    if forget:
        raise UsageError("--plot has nothing to draw with --forget")
    from xlingual_qdrant.queries.plots.reliability import check_plot

    check_plot(plot)


def _read(
    files: tuple[str, ...],
    columns: PairColumns,
    label: str | None,
    same_from: float | None,
    options: Options,
) -> list[LabelledPair]:
    from xlingual_qdrant.queries.scores.labelled_pairs import read_labelled

    found = read_labelled(files, columns=columns, labels=label, same_from=same_from)
    same = sum(pair.same for pair in found.pairs)
    told = f"{same:,} the same" if found.labelled else "taken as the same"
    options.say(f"Read {counted(len(found.pairs), 'pair')}, {told}.")
    if found.first_rejection is not None:
        row = found.first_rejection
        note(
            f"Warning: {counted(found.rejected.total(), 'row')} left out; the first:"
            f" {row.file}, line {row.line}: {row.detail} ({row.reason})"
        )
    return found.pairs


def _learn(
    collection: Collection, pairs: list[LabelledPair] | None, options: Options
) -> Calibration:
    from xlingual_qdrant.queries.scores.calibrating import calibrate

    with progress_bar(options) as bar:

        def show(done: int, total: int) -> None:
            if bar is not None:
                bar.count("calibrating", done, total)

        return calibrate(collection, pairs, on_progress=show)


def _learned_from_labels(collection: Collection) -> str | None:
    """Return from what the kept calibration was learned, if from labels: a loss to be told."""
    from xlingual_qdrant.calibration import STATE, Calibration

    kept = collection.stored.read_state(STATE)
    if kept is None:
        return None
    try:
        known = Calibration.from_bytes(kept)
    except UsageError:  # it cannot be read, and a new one is the cure
        return None
    return known.source if known.reliability else None


def _langs(collection: Collection) -> set[str]:
    return {tag.partition("-")[0] for tag in collection.languages()}


def _forget(collection: Collection, options: Options) -> None:
    from xlingual_qdrant.calibration import STATE, write_calibration

    there = collection.stored.read_state(STATE) is not None
    write_calibration(collection.stored, None)
    what = "Forgot the calibration of" if there else "There was no calibration of"
    options.say(f"{what} '{collection.name}'.")


def _show(collection: Collection, plot: Path | None, options: Options) -> None:
    from xlingual_qdrant.calibration import calibration_of, read_calibration

    known = calibration_of(collection.stored)
    if known is None:
        raise UsageError(
            f"collection '{collection.name}' is not calibrated, and none ships for its embedder;"
            " `xlingual calibrate` learns one"
        )
    own = read_calibration(collection.stored) is not None
    if options.json:
        print_json([known.model_dump(mode="json")])
    else:
        # Without labels, a part of it is what ships, which knows many more languages.
        all_of_it = own and bool(known.reliability)
        _print(known, None if all_of_it else _langs(collection), options)
    _draw(known, plot, options)
    whose = "kept with the collection" if own else "ships with the library"
    options.say(f"Learned from {known.source}; {whose}.")


def _print(calibration: Calibration, langs: set[str] | None, options: Options) -> None:
    columns = ("measure", "langs", "threshold", "F1", "pairs", "method")
    print_rows(columns, _cuts(calibration, langs))
    if not sys.stdout.isatty() or options.quiet:
        return
    for measure, bins in calibration.reliability.items():
        click.echo()
        columns = ("predicted", "observed", "pairs", "")
        title = f"Do the probabilities of the {measure} hold? On pairs held out:"
        print_rows(columns, [_bin(each) for each in bins], title=title)


def _cuts(calibration: Calibration, langs: set[str] | None) -> Iterator[tuple[str, ...]]:
    """Yield a row for each cut; langs: leave out those of other languages."""
    from xlingual_qdrant.calibration import ANY, SAME

    for measure, cuts in calibration.cuts.items():
        general = [key for key in (ANY, SAME) if key in cuts]
        for key in (*sorted(cuts.keys() - set(general)), *general):
            if key in general or langs is None or langs.issuperset(key.split("|")):
                yield (measure, *_cells(key, cuts[key]))


def _cells(key: str, cut: Cut) -> tuple[str, ...]:
    from xlingual_qdrant.calibration import ANY, SAME

    names = {ANY: "any other two", SAME: "any other one"}
    return (
        names.get(key, key.replace("|", " ")),
        f"{cut.threshold:.4f}",
        "" if cut.f1 is None else f"{cut.f1:.4f}",
        f"{cut.pairs:,}" if sys.stdout.isatty() else str(cut.pairs),
        cut.method,
    )


def _bin(each: Bin) -> tuple[str, ...]:
    """Return a bin with a bar as long as what was met, and a mark at what was predicted."""
    filled, mark = round(each.observed * _BAR), min(round(each.predicted * _BAR), _BAR - 1)
    bar = ["█" if place < filled else "·" for place in range(_BAR)]
    bar[mark] = "┃" if mark >= filled else "▓"
    return f"{each.predicted:.2f}", f"{each.observed:.2f}", f"{each.pairs:,.0f}", "".join(bar)


def _draw(calibration: Calibration, plot: Path | None, options: Options) -> None:
    if plot is not None:
        from xlingual_qdrant.queries.plots.reliability import plot_reliability

        plot_reliability(calibration, plot)
        options.say(f"Drew {plot}.")
