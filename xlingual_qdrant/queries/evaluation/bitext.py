"""Which sentences are translations? Mining judged against known pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.queries.evaluation.tables import Embed, Figures, grouped, mean, read_table
from xlingual_qdrant.queries.evaluation.thresholds import (
    Candidates,
    at_threshold,
    best_threshold,
    common_threshold,
)
from xlingual_qdrant.queries.margins import ratio_margins

NEIGHBOURS = 4


def mining(embed: Embed, folder: Path) -> Figures:
    """Return F1 of one-to-one pairs by cosine and by ratio margin.

    oracle: at the best threshold of each pair of languages; transfer: at the one that is best for
    all other pairs.
    """
    gold = {
        pair: {(row["left_id"], row["right_id"]) for row in rows}
        for pair, rows in grouped(
            read_table(folder, "mining_gold", ("left_id", "right_id", "pair")), "pair"
        ).items()
    }
    mined: dict[str, dict[str, Candidates]] = {"cosine": {}, "margin": {}}
    rows = read_table(folder, "mining", ("text", "id", "side", "pair"))
    for pair, group in grouped(rows, "pair").items():
        sides = grouped(group, "side")
        if set(sides) != {"left", "right"}:
            detail = f"pair {pair!r} has the sides {', '.join(sides)}; it needs left and right"
            raise UnreadableFile(str(folder / "mining"), "field", detail)
        left, right = sides["left"], sides["right"]
        cosines: NDArray[np.float32] = (
            embed([row["text"] for row in left]) @ embed([row["text"] for row in right]).T
        )
        known = gold.get(pair, set())
        for method, scores in (("cosine", cosines), ("margin", margins(cosines))):
            lefts, rights = one_to_one(scores)
            pairs = zip(lefts.tolist(), rights.tolist(), strict=True)
            correct = np.array(
                [(left[i]["id"], right[j]["id"]) in known for i, j in pairs], dtype=np.bool_
            )
            mined[method][pair] = Candidates(scores[lefts, rights], correct, len(known))
    return {method: _figures(found) for method, found in mined.items()}


def _figures(found: dict[str, Candidates]) -> Figures:
    oracle = {pair: best_threshold(parts)[0] for pair, parts in found.items()}
    transfer: dict[str, float] = {}
    for pair, parts in found.items():
        others = [other for name, other in found.items() if name != pair]
        if others:
            transfer[pair] = at_threshold(parts, common_threshold(others)).f1
    return {
        "oracle_F1": mean(list(oracle.values())),
        "transfer_F1": mean(list(transfer.values())),
        "oracle": {**oracle},
        "transfer": {**transfer},
    }


def margins(cosines: NDArray[np.float32], k: int = NEIGHBOURS) -> NDArray[np.float32]:
    """Return the ratio margins of all pairs: the cosine over the mean of both neighbourhoods."""
    k = min(k, *cosines.shape)
    forward: NDArray[np.float32] = np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
    backward: NDArray[np.float32] = np.partition(cosines, -k, axis=0)[-k:].mean(axis=0)
    return ratio_margins(cosines, forward[:, None], backward[None, :])


def one_to_one(scores: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return left and right rows of pairs, best first, each row in one pair at most.

    Candidates are the best partner of each row, of both sides; a pair is kept if neither of its
    rows is in a better one.
    """
    of_left: list[int] = scores.argmax(axis=1).tolist()
    of_right: list[int] = scores.argmax(axis=0).tolist()
    one = np.array([*range(len(of_left)), *of_right], dtype=np.int64)
    other = np.array([*of_left, *range(len(of_right))], dtype=np.int64)
    used_left: set[int] = set()
    used_right: set[int] = set()
    kept: list[int] = []
    for number in np.lexsort((other, one, -scores[one, other])).tolist():
        left, right = int(one[number]), int(other[number])
        if left not in used_left and right not in used_right:
            used_left.add(left)
            used_right.add(right)
            kept.append(number)
    return one[kept], other[kept]
