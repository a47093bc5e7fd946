"""The nearest of each language: every language gets its share, however far away it is."""

from __future__ import annotations

from collections.abc import Iterable

from xlingual_qdrant.documents import Hit
from xlingual_qdrant.filters import Filter, HasLang, combine
from xlingual_qdrant.ports import GroupedSearch, StoredCollection, Vectors


def search_by_language(
    stored: StoredCollection,
    queries: Vectors,
    k: int,
    *,
    where: Filter | None = None,
    exact: bool = False,
) -> list[dict[str, list[Hit]]]:
    """Return for each query the k nearest documents of each tag, best first.

    queries: shape (n, dimension), unit rows. Tags are apart as they are stored: `de` does not
    hold `de-AT`. The store groups by itself where it can; else there is a search for each tag.
    """
    if isinstance(stored, GroupedSearch):
        return stored.search_by_language(queries, k, where=where, exact=exact)
    tags = stored.count_by_language(where)
    groups: list[dict[str, list[Hit]]] = [{} for _ in queries]
    for tag in tags:
        condition = combine(where, only(tag, tags))
        found = stored.search(queries, k, where=condition, exact=exact)
        for group, hits in zip(groups, found, strict=True):
            if hits:
                group[tag] = hits
    return groups


def only(tag: str, tags: Iterable[str]) -> Filter:
    """Return the filter for this very tag: of all `tags` that are there, no narrower one."""
    narrower = tuple(other for other in tags if other.startswith(f"{tag}-"))
    return HasLang((tag,)) & ~HasLang(narrower) if narrower else HasLang((tag,))
