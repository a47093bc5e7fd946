"""Groups from pairs: what hangs together, and stars that do not chain."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.queries.near_pairs.linking import components, stars


def rows(*values: int):
    return np.array(values, dtype=np.int64)


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 30))
    row = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(row, row), max_size=60))
    left, right = (rows(*side) for side in zip(*pairs, strict=True)) if pairs else (rows(), rows())
    priority = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
    return count, left, right, rows(*priority)


def test_a_chain_is_one_component_and_two_stars():
    left, right = rows(0, 1, 2), rows(1, 2, 3)
    assert components(5, left, right).tolist() == [0, 0, 0, 0, 4]
    assert stars(5, left, right, np.arange(5)).tolist() == [0, 0, 2, 2, 4]


def test_the_lowest_priority_represents_first():
    left, right = rows(0, 1), rows(1, 2)
    assert stars(3, left, right, rows(9, 1, 5)).tolist() == [1, 1, 1]


def test_no_pairs_leave_every_row_alone():
    assert components(3, rows(), rows()).tolist() == [0, 1, 2]
    assert stars(3, rows(), rows(), np.arange(3)).tolist() == [0, 1, 2]
    assert components(0, rows(), rows()).tolist() == []


def test_a_long_chain_in_any_order_is_joined():
    order = np.random.default_rng(0).permutation(20_000).astype(np.int64)
    assert not components(20_000, order[:-1], order[1:]).any()


@given(graphs())
def test_components_are_what_walking_along_the_pairs_reaches(graph):
    count, left, right, _ = graph
    expected = list(range(count))
    for _ in range(count):
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            expected[one] = expected[other] = min(expected[one], expected[other])
    assert components(count, left, right).tolist() == expected


@given(graphs())
def test_every_member_of_a_star_has_a_pair_with_its_representative(graph):
    count, left, right, priority = graph
    near = {(a, b) for a, b in zip(left.tolist(), right.tolist(), strict=True)}
    near |= {(b, a) for a, b in near}
    found = stars(count, left, right, priority).tolist()
    heads = {row for row in range(count) if found[row] == row}
    for row, head in enumerate(found):
        assert head in heads
        assert row == head or (row, head) in near
        # The head came first: nothing that is represented would have had to wait for it.
        assert (priority[head], head) <= (priority[row], row)
    assert not any(a != b and (a, b) in near for a in heads for b in heads)
