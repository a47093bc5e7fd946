"""Do cosines order pairs of texts as people do? Files of pairs with scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.queries.evaluation.correlation import spearman
from xlingual_qdrant.queries.evaluation.tables import (
    Embed,
    Figures,
    Row,
    grouped,
    mean,
    read_table,
)


def sts(embed: Embed, folder: Path) -> Figures:
    """Return the rank correlation of cosines with the scores of people, for each `pair`."""
    rows = read_table(folder, "sts", ("text1", "text2", "score", "pair"))
    scores: dict[str, float] = {}
    for pair, group in grouped(rows, "pair").items():
        left, right = (embed([row[column] for row in group]) for column in ("text1", "text2"))
        cosines = (left * right).sum(axis=1)
        scores[pair] = spearman(cosines, np.array(_numbers(group, "score", folder)))
    return {"mean": mean(list(scores.values())), "pairs": {**scores}}


def _numbers(rows: Sequence[Row], column: str, folder: Path) -> list[float]:
    try:
        return [float(row[column]) for row in rows]
    except ValueError as exc:
        raise UnreadableFile(str(folder / "sts"), "type", str(exc)) from None
