"""Names on the server: a collection is an alias, and what it leads to has a number behind it.

`support` is the alias of `support@1`, which a replacement `support@2` takes the place of. No
name of a collection has an `@` in it, so that these cannot meet the name of another one.
"""

from __future__ import annotations

import re

_NUMBERED = re.compile(r"(.+)@([1-9][0-9]{0,8})", re.DOTALL)


def numbered(base: str, number: int) -> str:
    """Return the name of a generation of a collection, counted from 1."""
    return f"{base}@{number}"


def number_of(base: str, on_server: str) -> int | None:
    """Return which generation of a collection this is; None if it is none of its own."""
    met = _NUMBERED.fullmatch(on_server)
    return int(met[2]) if met and met[1] == base else None
