"""Shards by language: which key a document goes to, and how one that moves leaves its old shard.

Only collections that were created with `shard_by_language` have keys; for all others every
key is None, and nothing is asked. A language gets its key when it is first met. What belongs
to the collection as a whole lies under a key of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from qdrant_client import models

from xlingual_adapters.stores.qdrant.asking import Asks
from xlingual_adapters.stores.qdrant.faults import Fault
from xlingual_adapters.stores.qdrant_points.payload import HASH_ONLY, LANG, OWN
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import NotSupported

RESERVED = "_xlingual"
"""Where schema and states lie. No language tag has an underscore."""
HASH = HASH_ONLY[0]
_COPIES_AT_ONCE = 1000


class Copy(NamedTuple):
    """One copy of a document, in the shard of the language that it had."""

    point: str
    lang: str
    hash: str


class Shards:
    """The shard keys of one collection. Safe to use from several threads."""

    def __init__(self, connection: Asks, collection: str, *, by_language: bool) -> None:
        self._connection = connection
        self._collection = collection
        self.by_language = by_language
        self._known: set[str] = set()
        self._lock = Lock()

    @property
    def reserved(self) -> str | None:
        """The key of what belongs to the collection as a whole."""
        return RESERVED if self.by_language else None

    def key_of(self, document: Document) -> str | None:
        """Return the key of the shard that a document belongs to."""
        return document.lang if self.by_language else None

    def everywhere(self) -> list[models.ShardKey] | None:
        """Return all keys, for what is to reach every shard."""
        if not self.by_language:
            return None
        return [*sorted(self._listed())]

    def ensure(self, keys: Iterable[str | None]) -> None:
        """Create the keys that are missing."""
        with self._lock:
            wanted = {key for key in keys if key is not None}
            if wanted <= self._known:
                return
            self._known = self._listed()
            for key in sorted(wanted - self._known):
                self._create(key)
                self._known.add(key)

    def _listed(self) -> set[str]:
        answer = self._connection.ask(lambda client: client.list_shard_keys(self._collection))
        return {str(found.key) for found in answer.shard_keys or ()}

    def _create(self, key: str) -> None:
        """Create a key; another process may be quicker, which is as good."""
        answer = self._connection.ask_once(
            lambda client: client.create_shard_key(self._collection, key)
        )
        if isinstance(answer, Fault) and key not in self._listed():
            self._connection.ask(lambda client: client.create_shard_key(self._collection, key))


def check_cluster(connection: Asks) -> None:
    """Raise NotSupported where shards cannot have keys: on a server that is alone."""
    answer = connection.ask_once(lambda client: client.cluster_status())
    if isinstance(answer, models.ClusterStatusOneOf):
        raise NotSupported(
            connection.where,
            "shard by language: it is a single server, not a cluster",
            "leave out shard_by_language",
        )


def copies(connection: Asks, collection: str, points: Sequence[str]) -> list[Copy]:
    """Return all copies of documents; there are two of one whose move did not end."""
    found: list[Copy] = []
    for start in range(0, len(points), _COPIES_AT_ONCE):
        part = points[start : start + _COPIES_AT_ONCE]
        wanted = models.Filter(must=[models.HasIdCondition(has_id=[*part])])
        offset: Any = None
        while True:
            records, offset = connection.ask(
                lambda client, wanted=wanted, offset=offset: client.scroll(
                    collection, wanted, limit=_COPIES_AT_ONCE, offset=offset,
                    with_payload=[LANG, HASH], consistency=connection.consistency,
                )
            )  # fmt: skip
            for record in records:
                own = (record.payload or {}).get(OWN, {})
                found.append(Copy(str(record.id), str(own.get("lang")), str(own.get("hash"))))
            if offset is None:
                break
    return found


def left_behind(found: Iterable[Copy], langs: Mapping[str, str]) -> dict[str, models.Filter]:
    """Return what is to be deleted in the shard of each language, now that it lies elsewhere.

    langs: the languages that the documents have now, by point. Only the versions that were
    found are deleted: one that another process has written meanwhile stays.
    """
    stale: dict[str, list[Copy]] = {}
    for copy in found:
        if copy.lang != langs[copy.point]:
            stale.setdefault(copy.lang, []).append(copy)
    filters: dict[str, models.Filter] = {}
    for lang, old in stale.items():
        points = sorted({copy.point for copy in old})
        versions = models.MatchAny(any=sorted({copy.hash for copy in old}))
        filters[lang] = models.Filter(
            must=[
                models.HasIdCondition(has_id=[*points]),
                models.FieldCondition(key=HASH, match=versions),
            ]
        )
    return filters
