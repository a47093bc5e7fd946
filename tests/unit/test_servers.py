"""Requests are made again where that helps, and no longer than the deadline. Only time is faked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.stores.qdrant.faulty import Clock
from xlingual_qdrant.servers import (
    RetryPolicy,
    Verdict,
    is_loopback,
    retry_after_s,
    retrying,
)


def failing(times: int) -> Callable[[], str]:
    left = iter(range(times))

    def attempt() -> str:
        if next(left, None) is not None:
            raise OSError("away")
        return "done"

    return attempt


def again(_: Exception) -> Verdict:
    return Verdict(again=True)


def test_what_succeeds_is_done_once_without_a_pause() -> None:
    clock = Clock()
    assert retrying(failing(0), again, RetryPolicy(60), clock.waiting) == "done"
    assert clock.pauses == []


def test_pauses_double_up_to_the_longest() -> None:
    clock = Clock()
    policy = RetryPolicy(1000, first_s=1, longest_s=5)
    assert retrying(failing(5), again, policy, clock.waiting) == "done"
    assert clock.pauses == [1, 2, 4, 5, 5]


def test_chance_takes_up_to_a_half_off_a_pause() -> None:
    assert RetryPolicy(60, first_s=8).pause(0, chance=1.0) == 4
    assert RetryPolicy(60, first_s=8).pause(0, chance=0.0) == 8
    assert RetryPolicy(60).pause(100_000, chance=0.0) == 10


def test_no_attempt_begins_after_the_deadline_and_the_last_error_is_raised() -> None:
    clock = Clock()
    with pytest.raises(OSError, match="away"):
        retrying(failing(1000), again, RetryPolicy(10, first_s=1, longest_s=4), clock.waiting)
    assert clock.pauses == [1, 2, 4]
    assert clock.time <= 10


def test_a_deadline_of_zero_is_a_single_attempt() -> None:
    clock = Clock()
    with pytest.raises(OSError, match="away"):
        retrying(failing(1), again, RetryPolicy(0), clock.waiting)
    assert clock.pauses == []


def test_what_cannot_be_helped_is_raised_at_once() -> None:
    clock = Clock()
    with pytest.raises(OSError, match="away"):
        retrying(failing(1), lambda _: Verdict(again=False), RetryPolicy(60), clock.waiting)
    assert clock.pauses == []


def test_retry_after_is_obeyed() -> None:
    clock = Clock()
    policy = RetryPolicy(60, first_s=1)
    verdicts = iter([Verdict(True, 7.0), Verdict(True, 0.1)])
    assert retrying(failing(2), lambda _: next(verdicts), policy, clock.waiting) == "done"
    assert clock.pauses == [7, 2]


def test_a_retry_after_beyond_the_deadline_is_the_end() -> None:
    clock = Clock()
    with pytest.raises(OSError, match="away"):
        retrying(failing(1), lambda _: Verdict(True, 61.0), RetryPolicy(60), clock.waiting)
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("-5", 0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("soon", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_a_retry_after_is_read(header: str, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("api.localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_stays_on_this_computer_is_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
