"""What adapters of servers share: addresses, when a request is made again, what stays here."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

T = TypeVar("T")


class Verdict(NamedTuple):
    """What a failure means for a second attempt."""

    again: bool
    after_s: float | None = None
    """The server's own word on when to come back (Retry-After)."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Time and chance; a test brings its own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pauses double from `first_s` to `longest_s`, each shortened by chance by up to a half.

    deadline_s: no attempt begins later than this after the first; 0: there is only one.
    """

    deadline_s: float
    first_s: float = 0.2
    longest_s: float = 10.0

    def pause(self, attempt: int, chance: float) -> float:
        """Return the pause after this attempt, counted from 0. chance: 0 to 1."""
        # Beyond 2**16 the longest pause is reached anyway.
        full = min(self.longest_s, self.first_s * 2 ** min(attempt, 16))
        return full * (1 - chance / 2)


def retrying(
    attempt: Callable[[], T],
    judge: Callable[[Exception], Verdict],
    policy: RetryPolicy,
    waiting: Waiting | None = None,
) -> T:
    """Call until it succeeds, fails for good, or the deadline would pass; raise the last error.

    A Retry-After is obeyed, never cut short: if it reaches past the deadline, that is the end.
    """
    waiting = waiting or Waiting()
    begun = waiting.now()
    count = 0
    while True:
        try:
            return attempt()
        except Exception as exc:
            verdict = judge(exc)
            if not verdict.again:
                raise
            pause = max(policy.pause(count, waiting.chance()), verdict.after_s or 0.0)
            if waiting.now() - begun + pause > policy.deadline_s:
                raise
        count += 1
        waiting.sleep(pause)


def retry_after_s(header: str) -> float | None:
    """Return the seconds of a Retry-After, which may be a date; None if it cannot be read."""
    try:
        return max(0.0, float(int(header)))
    except (ValueError, OverflowError):
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    # A date without a zone is one of Greenwich, as all dates of HTTP are.
    return max(0.0, (moment.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds())


def http_url(url: str, *, like: str) -> SplitResult:
    """Return the parts of a server's address; raises ValueError without repeating it.

    like: an example for the message.
    """
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise ValueError(f"url has to be like {like}")
    return parts


def is_loopback(host: str) -> bool:
    """Say whether what is sent to this host does not leave the computer."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
