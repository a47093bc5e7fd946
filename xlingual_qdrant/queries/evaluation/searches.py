"""The kinds of search that can be compared, each by one word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, get_args

from xlingual_qdrant.errors import UnknownName
from xlingual_qdrant.ranking import Prefer
from xlingual_qdrant.spaces import Rescore

SearchOptions: TypeAlias = Mapping[str, Any]
"""Arguments of `Collection.search_many`, by name."""

PLAIN = "plain"
SEARCHES: Mapping[str, SearchOptions] = {
    PLAIN: {},
    **{word: {"prefer": word} for word in get_args(Prefer)},
    **{word: {"rescore": word} for word in get_args(Rescore)},
}
"""What each word stands for: the values of `prefer` and of `rescore`."""


def searches_named(names: Sequence[str]) -> dict[str, SearchOptions]:
    """Return the options of kinds of search; raises UnknownName."""
    for name in names:
        if name not in SEARCHES:
            raise UnknownName("kind of search", name, tuple(SEARCHES))
    return {name: SEARCHES[name] for name in names}
