"""How `xlingual dedup` prints what it found: groups of duplicates, and pairs that are none."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from xlingual_qdrant.cli.options import Options, note
from xlingual_qdrant.cli.output import counted, print_json, print_rows, print_table
from xlingual_qdrant.documents import JsonValue

if TYPE_CHECKING:
    from xlingual_qdrant.queries.duplicates.finding import DuplicateReport, Group

_SHOWN = 20
"""Groups that a table shows; a pipe and --json get all."""
_AT_ONCE = 1000
"""Documents after which texts are fetched."""


def print_duplicates(report: DuplicateReport, options: Options, *, refused: bool) -> None:
    """Print the groups, or else the pairs that a guard refused."""
    if refused:
        _print_refused(report, options)
    elif options.json:
        print_json(_object(*each) for each in _with_texts(report, report.groups))
    elif sys.stdout.isatty():
        _print_groups(report)
    else:
        rows = (
            (other.kind, f"{other.score:.4f}", other.lang, other.id, group.kept, text, kept)
            for group, (kept, *texts) in _with_texts(report, report.groups)
            for other, text in zip(group.others, texts, strict=True)
        )
        print_rows((), rows)


def _with_texts(
    report: DuplicateReport, groups: Iterable[Group]
) -> Iterator[tuple[Group, list[str]]]:
    """Yield each group with its texts, the kept one's first; some groups' are fetched at once."""
    some: list[Group] = []
    count = 0
    for group in groups:
        some.append(group)
        count += 1 + len(group.others)
        if count >= _AT_ONCE:
            yield from _read(report, some)
            some, count = [], 0
    yield from _read(report, some)


def _read(report: DuplicateReport, groups: list[Group]) -> Iterator[tuple[Group, list[str]]]:
    ids = [id for group in groups for id in (group.kept, *(other.id for other in group.others))]
    texts = iter([document.text for document in report.read(ids)] if ids else [])
    for group in groups:
        yield group, [next(texts) for _ in range(1 + len(group.others))]


def _object(group: Group, texts: list[str]) -> dict[str, JsonValue]:
    made = group.to_json()
    others = cast("list[dict[str, JsonValue]]", made.pop("others"))
    told: list[JsonValue] = [
        {**other, "text": text} for other, text in zip(others, texts[1:], strict=True)
    ]
    return {**made, "text": texts[0], "others": told}


def _print_groups(report: DuplicateReport) -> None:
    rows: list[tuple[str, str, str, str, str]] = []
    for group, texts in _with_texts(report, report.groups[:_SHOWN]):
        rows.append(("kept", "", group.lang, group.kept, texts[0]))
        for other, text in zip(group.others, texts[1:], strict=True):
            rows.append((other.kind, f"{other.score:.4f}", other.lang, other.id, text))
    if rows:
        print_table(("kind", "score", "lang", "id", "text"), rows)
    more = len(report.groups) - _SHOWN
    if more > 0:
        note(f"... and {counted(more, 'more group')}; --json prints all of them.")


def _print_refused(report: DuplicateReport, options: Options) -> None:
    if options.json:
        print_json(each.to_json() for each in report.examples)
        return
    rows = [(f"{each.score:.4f}", each.left, each.right, each.reason) for each in report.examples]
    if rows:
        print_rows(("score", "left", "right", "reason"), rows)
