"""Which candidates become pairs: from nearest neighbours on both sides to one partner for each.

Rows of the left and of the right side are numbers; this knows nothing of texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.queries.margins import PairMeasure, pair_scores
from xlingual_qdrant.queries.neighbours import Nearest

Method: TypeAlias = Literal["max", "forward", "backward", "intersect", "assignment"]
"""How partners are chosen."""
METHODS: tuple[Method, ...] = get_args(Method)

Rows: TypeAlias = NDArray[np.int64]

_STEP = 1e-4  # the least that a bid of the auction raises a price


@dataclass(frozen=True, slots=True)
class RowPairs:
    """Pairs of rows: four arrays of one length.

    left, right: rows. scores: by the measure that was asked for. cosines: of the two texts.
    """

    left: Rows
    right: Rows
    scores: NDArray[np.float32]
    cosines: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.left)

    def take(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> RowPairs:
        """Return some of the pairs: a mask, or places."""
        return RowPairs(
            self.left[which], self.right[which], self.scores[which], self.cosines[which]
        )


def candidates(
    forward: Nearest, backward: Nearest, measure: PairMeasure, *, k: int | None = None
) -> RowPairs:
    """Return every pair in which one text is among the nearest of the other, once, scored.

    forward: the nearest of each left row among the right ones; backward: of each right row among
    the left ones; a row below 0 stands for none. k: neighbours that the margins are taken over;
    all of them if it is not given. Ordered by left row, then right row.
    """
    count = len(backward.rows)
    left = np.concatenate([_repeated(forward), backward.rows.ravel()])
    right = np.concatenate([forward.rows.ravel(), _repeated(backward)])
    cosines = np.concatenate([forward.scores.ravel(), backward.scores.ravel()])
    there = (left >= 0) & (right >= 0)
    left, right, cosines = left[there], right[there], cosines[there]
    _, first = np.unique(left * count + right, return_index=True)
    left, right, cosines = left[first], right[first], cosines[first]
    near_left, near_right = _mean_of_nearest(forward, k), _mean_of_nearest(backward, k)
    scores = pair_scores(measure, cosines, near_left[left], near_right[right])
    return RowPairs(left, right, scores, cosines)


def chosen(
    pairs: RowPairs, method: Method, *, least: float | NDArray[np.float32] = 0.0
) -> RowPairs:
    """Return the pairs that a method keeps, best first; equal scores by left row, then right row.

    "forward": each left row with its best partner; "backward": each right row with its; both may
    give a text to several. "intersect": what both give. "max": what one of them gives, best
    first, unless one of the texts is taken already. "assignment": one partner for each at most,
    such that the sum of what the scores are above `least`, a number or one for each pair, is the
    highest, up to 0.0001 for each pair.
    "max", "intersect" and "assignment" use each text once at most.
    """
    match method:
        case "forward":
            kept = pairs.take(_best_of_each(pairs, pairs.left, pairs.right))
        case "backward":
            kept = pairs.take(_best_of_each(pairs, pairs.right, pairs.left))
        case "intersect":
            one = _best_of_each(pairs, pairs.left, pairs.right)
            other = _best_of_each(pairs, pairs.right, pairs.left)
            kept = pairs.take(np.intersect1d(one, other))
        case "max":
            one = _best_of_each(pairs, pairs.left, pairs.right)
            other = _best_of_each(pairs, pairs.right, pairs.left)
            return _greedy(best_first(pairs.take(np.union1d(one, other))))
        case "assignment":
            kept = _assigned(pairs, least)
    return best_first(kept)


def best_first(pairs: RowPairs) -> RowPairs:
    """Return the pairs by falling score; equal ones by left row, then right row."""
    return pairs.take(np.lexsort((pairs.right, pairs.left, -pairs.scores)))


def next_best(
    forward: Nearest,
    backward: Nearest,
    kept: RowPairs,
    measure: PairMeasure,
    *,
    k: int,
    weighed: Callable[[RowPairs], RowPairs] | None = None,
) -> RowPairs:
    """Return what "max" keeps when the partners of `kept` are not there: pairs that are wrong.

    forward, backward: at least k + 1 neighbours, so that k are left. weighed: what else was done
    to the scores of `kept`. The margins are those that the texts had if they had no partner.
    """
    partner = np.full(len(forward.rows), -1, dtype=np.int64)
    partner[kept.left] = kept.right
    back = np.full(len(backward.rows), -1, dtype=np.int64)
    back[kept.right] = kept.left
    others = candidates(_without(forward, partner), _without(backward, back), measure, k=k)
    return chosen(others if weighed is None else weighed(others), "max")


def _without(found: Nearest, partner: Rows) -> Nearest:
    """Return neighbours without the partner of each row; the last goes where it is none."""
    if not found.rows.size:
        return found
    gone = found.rows == partner[:, None]
    gone[:, -1] |= ~gone.any(axis=1)
    gone &= np.cumsum(gone, axis=1) == 1
    shape = (len(found.rows), found.rows.shape[1] - 1)
    return Nearest(found.scores[~gone].reshape(shape), found.rows[~gone].reshape(shape))


def _repeated(found: Nearest) -> Rows:
    return np.repeat(np.arange(len(found.rows), dtype=np.int64), found.rows.shape[1])


def _mean_of_nearest(found: Nearest, k: int | None) -> NDArray[np.float32]:
    """Return the mean of each row's highest cosines; of those that there are."""
    scores, there = found.scores[:, :k], found.rows[:, :k] >= 0
    total = np.where(there, scores, np.float32(0)).sum(axis=1, dtype=np.float32)
    return (total / np.maximum(there.sum(axis=1), 1)).astype(np.float32)


def _best_of_each(pairs: RowPairs, of: Rows, partner: Rows) -> Rows:
    """Return the places of the best pair of each row of one side, ordered by place."""
    order = np.lexsort((partner, -pairs.scores, of))
    rows = of[order]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    return np.sort(order[first])


def _greedy(pairs: RowPairs) -> RowPairs:
    """Keep each pair, going down the list, unless a text of it is in a pair kept before.

    In rounds: a pair that comes first for both of its texts is kept whatever else there is.
    """
    left, right = _numbered(pairs.left), _numbered(pairs.right)
    kept = np.zeros(len(pairs), dtype=np.bool_)
    open_places = np.arange(len(pairs))
    firsts = (np.empty(len(pairs), dtype=np.int64), np.empty(len(pairs), dtype=np.int64))
    while len(open_places):
        backwards = open_places[::-1]
        for first, side in zip(firsts, (left, right), strict=True):
            first[side[backwards]] = backwards  # of several the last is written: the first place
        now = (firsts[0][left[open_places]] == open_places) & (
            firsts[1][right[open_places]] == open_places
        )
        kept[open_places[now]] = True
        taken_left = np.zeros(len(pairs), dtype=np.bool_)
        taken_right = np.zeros(len(pairs), dtype=np.bool_)
        taken_left[left[open_places[now]]] = True
        taken_right[right[open_places[now]]] = True
        open_places = open_places[
            ~(taken_left[left[open_places]] | taken_right[right[open_places]])
        ]
    return pairs.take(kept)


def _numbered(rows: Rows) -> Rows:
    """Return rows as numbers from 0 on without gaps."""
    return np.unique(rows, return_inverse=True)[1].astype(np.int64)


def _assigned(pairs: RowPairs, least: float | NDArray[np.float32]) -> RowPairs:
    """Return the pairs of the best assignment: an auction in which left rows bid for right ones.

    Bertsekas 1988, "The auction algorithm". A left row may also stay alone, which is worth 0, and
    prices begin at 0, so that nobody need be matched.
    """
    worth = pairs.scores.astype(np.float64) - least
    usable = np.flatnonzero(worth > 0)
    left, right, worth = (
        _numbered(pairs.left[usable]),
        _numbered(pairs.right[usable]),
        worth[usable],
    )
    starts = np.flatnonzero(np.diff(left, prepend=-1))  # candidates are ordered by left row
    ends = np.append(starts[1:], len(left))
    prices = np.zeros(int(right.max(initial=-1)) + 1)
    owner = np.full(len(prices), -1, dtype=np.int64)
    holds = np.full(len(starts), -1, dtype=np.int64)  # the place of the pair that a row won
    bidding = np.arange(len(starts))
    while len(bidding):
        counts = ends[bidding] - starts[bidding]
        first = np.cumsum(counts) - counts
        places = np.arange(int(counts.sum())) - np.repeat(first - starts[bidding], counts)
        bidder = np.repeat(np.arange(len(bidding)), counts)
        gain = worth[places] - prices[right[places]]
        order = np.lexsort((-gain, bidder))
        best = order[first]
        several = counts > 1
        second = np.zeros(len(bidding))
        second[several] = np.maximum(gain[order[first[several] + 1]], 0.0)
        bids = gain[best] > 0
        wanted, bid = places[best[bids]], (gain[best] - second)[bids] + _STEP
        who = bidding[bids]
        offered = prices[right[wanted]] + bid
        # The highest bid wins; of equal ones that of the first row.
        order = np.lexsort((who, -offered, right[wanted]))
        goods = right[wanted][order]
        winning = np.ones(len(goods), dtype=np.bool_)
        winning[1:] = goods[1:] != goods[:-1]
        won = order[winning]
        goods = goods[winning]
        outbid = owner[goods]
        outbid = outbid[outbid >= 0]
        holds[outbid] = -1
        prices[goods] = offered[won]
        owner[goods] = who[won]
        holds[who[won]] = wanted[won]
        lost = np.ones(len(who), dtype=np.bool_)
        lost[won] = False
        bidding = np.sort(np.concatenate([who[lost], outbid]))
    return pairs.take(usable[holds[holds >= 0]])
