"""The shared evaluation files: an embedder measured on each of their tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from xlingual_qdrant.errors import FileUnavailable, UnknownName
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.queries.evaluation.bitext import mining
from xlingual_qdrant.queries.evaluation.duplicates import dedup
from xlingual_qdrant.queries.evaluation.pools import OpenPool
from xlingual_qdrant.queries.evaluation.searches import SearchOptions
from xlingual_qdrant.queries.evaluation.similarity import sts
from xlingual_qdrant.queries.evaluation.tables import Embed, Figures, has_table, once
from xlingual_qdrant.queries.evaluation.tatoeba import tatoeba
from xlingual_qdrant.queries.evaluation.topics import sib200
from xlingual_qdrant.queries.evaluation.xquad import xquad

_FILES = {
    "tatoeba": "tatoeba",
    "xquad": "xquad/questions",
    "sts": "sts",
    "sib200": "sib200",
    "mining": "mining",
    "dedup": "dedup",
}
_MEASURES: Mapping[str, Callable[[Embed, Path], Figures]] = {
    "tatoeba": tatoeba,
    "xquad": xquad,
    "sts": sts,
    "sib200": sib200,
    "mining": mining,
    "dedup": dedup,
}
TASKS = tuple(_MEASURES)
"""The tasks, each with files of its own in the folder."""


def evaluate_folder(
    embedder: Embedder,
    folder: str | Path,
    tasks: Sequence[str] | None = None,
    *,
    open_pool: OpenPool | None = None,
    searches: Mapping[str, SearchOptions] | None = None,
    on_task: Callable[[str, Figures], None] | None = None,
) -> dict[str, Figures]:
    """Return the figures of each task, by name, from 0 to 1 (correlations from -1).

    tasks: default those whose files are in the folder. Every text is embedded as a document, on
    its own. open_pool, searches: ask the pools of
    xquad through a collection, too, with each of the kinds of search. on_task: called
    with each task that is done. Raises UnknownName, FileUnavailable, UnreadableFile, MissingExtra.
    """
    wanted = [task for task in TASKS if has_table(Path(folder), _FILES[task])]
    if tasks is None and not wanted:
        known = ", ".join(f"{name}.tsv.gz" for name in _FILES.values())
        raise FileUnavailable(str(folder), f"holds no evaluation files: {known}")
    wanted = wanted if tasks is None else list(tasks)
    for task in wanted:
        if task not in _MEASURES:
            raise UnknownName("evaluation task", task, TASKS)
    embed = once(embedder.embed_documents)
    measured: dict[str, Figures] = {}
    for task in wanted:
        measure = _MEASURES[task]
        if task == "xquad":
            measure = partial(xquad, open_pool=open_pool, searches=searches)
        measured[task] = measure(embed, Path(folder))
        if on_task is not None:
            on_task(task, measured[task])
    return measured
