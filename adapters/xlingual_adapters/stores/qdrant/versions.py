"""Which servers a client is made for: those of its own major version, at most one minor apart."""

from __future__ import annotations

import re

_VERSION = re.compile(r"v?(\d+)\.(\d+)")


def skew(client: str, server: str) -> str | None:
    """Return what to do if two versions do not belong together, else None.

    A version that cannot be read says nothing, so there is nothing to do.
    """
    ours, theirs = _VERSION.match(client), _VERSION.match(server)
    if ours is None or theirs is None:
        return None
    client_is, server_is = (tuple(map(int, found.groups())) for found in (ours, theirs))
    if client_is[0] == server_is[0] and abs(client_is[1] - server_is[1]) <= 1:
        return None
    fitting = f"pip install 'qdrant-client~={theirs[1]}.{theirs[2]}.0'"
    if server_is < client_is:
        return f"upgrade the server, one minor version at a time, or run: {fitting}"
    return f"run: {fitting}"
