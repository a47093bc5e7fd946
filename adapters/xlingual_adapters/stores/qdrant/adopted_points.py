"""The requests for the points of a collection that another program made; all of them read."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, cast
from uuid import UUID

import numpy as np
from qdrant_client import models

from xlingual_adapters.stores.qdrant.adoption import Adoption, PayloadReader, path_text
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import IndexRequired
from xlingual_adapters.stores.qdrant.searching import search_params
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidDocument, InvalidVectors, NotSupported
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.vectors import unit_rows

PointId: TypeAlias = models.ExtendedPointId
Found: TypeAlias = tuple[models.Record, Document]

SCAN_WINDOW = 200_000
"""Ids that a scan holds at once."""
_AT_ONCE = 256
"""Points in one answer, with their texts and perhaps vectors."""
_IDS_AT_ONCE = 2_000
_LOCAL_AT_ONCE = 10_000
"""In local mode nothing is sent, but each request looks at all points."""
_UNIT = 1e-3
"""How far from 1 the length of a vector may be whose dot product is taken for a cosine."""

_log = logging.getLogger(__name__)


class AdoptedPoints:
    """Points that have the vector that is asked for, and the documents in them."""

    def __init__(
        self,
        connection: Connection,
        on_server: str,
        adoption: Adoption,
        config: models.CollectionConfig,
    ) -> None:
        """Raises NotSupported if the vectors give no cosines."""
        self._connection = connection
        self._on_server = on_server
        self.where = f"collection '{on_server}' in {connection.where}"
        self.at_once, self._ids_at_once = _AT_ONCE, _IDS_AT_ONCE  # in one request
        if connection.is_local:
            self.at_once = self._ids_at_once = _LOCAL_AT_ONCE
        self.reader = PayloadReader(adoption)
        self._vector, params = self._chosen(adoption.vector, config.params.vectors)
        self.dimension = params.size
        self._is_dot = params.distance == models.Distance.DOT
        self._quantised = (config.quantization_config or params.quantization_config) is not None
        self._has_vector = models.HasVectorCondition(has_vector=self._vector or "")
        if self._is_dot:
            self.vectors(self._page(None, True, True, None)[0])

    def all(
        self, payload: Any = True, *, where: models.Filter | None = None, limit: int | None = None
    ) -> Iterator[models.Record]:
        """Yield all points, in the order of the server, without vectors."""
        offset: Any = None
        while True:
            records, offset = self._page(where, payload, False, offset, limit)
            yield from records
            if offset is None:
                return

    def read(self, records: Sequence[models.Record] | Iterator[models.Record]) -> Iterator[Found]:
        """Yield what is a document, with its point."""
        for record in records:
            try:
                yield record, self.reader.read(record.id, record.payload).document
            except InvalidDocument as exc:
                _log.debug("%s: point %s is left out: %s", self.where, record.id, exc)

    def without_vector(self) -> int:
        """Return how many points are not here, since they lack the vector."""
        has_vector = models.Filter(must=[self._has_vector])
        all_points, with_vector = (
            self._connection.ask(
                lambda client, wanted=wanted: client.count(self._on_server, wanted, exact=True)
            ).count
            for wanted in (None, has_vector)
        )
        return all_points - with_vector

    def vectors(self, records: Sequence[models.Record]) -> Vectors:
        """Return the vectors of points, of length 1; raises InvalidVectors, NotSupported."""
        rows = np.empty((len(records), self.dimension), dtype=np.float32)
        for at, record in enumerate(records):
            rows[at] = self._vector_of(record)
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
        for at in np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))[:1]:
            raise InvalidVectors(
                f"{self.where}: the vector of point {records[at].id} is zero or not finite, so it"
                " has no direction; give that point another vector, or remove it"
            )
        for at in np.flatnonzero(np.abs(lengths - 1) > _UNIT)[:1] if self._is_dot else ():
            raise self.unfit(
                f"its distance is Dot, and the vector of point {records[at].id} has the length"
                f" {lengths[at]:.3g}, so scores would be no cosines",
                "make a collection with the distance Cosine of its points first",
            )
        return unit_rows(rows, self.dimension)

    def next_ids(self, after: str | None) -> tuple[list[tuple[str, PointId]], bool]:
        """Return the least ids behind one, with their points, and whether these are the last.

        At most as many as a window of a scan holds. Raises NotSupported if two are the same.
        """
        payload: Any = False if self.reader.id is None else [path_text(self.reader.id)]
        pairs = map(self._id_and_point, self.all(payload, limit=self._ids_at_once))
        behind = (pair for pair in pairs if pair is not None and (after is None or pair[0] > after))
        window = heapq.nsmallest(SCAN_WINDOW + 1, behind, key=lambda pair: pair[0])
        for (id, point), (next_id, next_point) in pairwise(window):
            if id == next_id:
                raise self.unfit(
                    f"the points {point} and {next_point} have the same id, {id!r}",
                    "leave the setting `id` out, so that each document has its point's id",
                )
        return window[:SCAN_WINDOW], len(window) <= SCAN_WINDOW

    def at(self, points: Sequence[PointId], *, with_vectors: bool) -> list[models.Record]:
        """Return points by their own ids, those that are there.

        with_vectors: and only those that have the vector; it takes the vector to see that.
        """
        found: list[models.Record] = []
        for start in range(0, len(points), self.at_once):
            found += self._connection.ask(
                lambda client, part=points[start : start + self.at_once]: client.retrieve(
                    self._on_server, part, with_payload=True,
                    with_vectors=self._wanted_vectors(with_vectors),
                    consistency=self._connection.consistency,
                )
            )  # fmt: skip
        return [record for record in found if not with_vectors or self._vector_of(record)]

    def named(self, ids: Sequence[str]) -> dict[str, Found]:
        """Return documents by their ids, those that are there, with their vectors."""
        wanted = set(ids)
        points: list[PointId] = [point for id in sorted(wanted) for point in _as_point(id)]
        if self.reader.id is not None and wanted:
            points += self._points_named(wanted)
        found: dict[str, Found] = {}
        for record, document in self.read(self.at(points, with_vectors=True)):
            if document.id in wanted:
                found[document.id] = record, document
        return found

    def nearest(self, query: list[float], limit: int, *, exact: bool) -> list[models.ScoredPoint]:
        """Return the nearest points, whether or not they are documents."""
        params = search_params(self._connection.settings, exact=exact, quantised=self._quantised)
        return self._connection.ask(
            lambda client: client.query_points(
                self._on_server, query=query, using=self._vector, limit=limit, with_payload=True,
                search_params=params, consistency=self._connection.consistency,
            )
        ).points  # fmt: skip

    def unfit(self, what: str, instead: str) -> NotSupported:
        """Return the error for a collection that cannot be adopted as it is."""
        return NotSupported("this library", f"read {self.where}: {what}", instead)

    def _chosen(
        self, wanted: str | None, configured: object
    ) -> tuple[str | None, models.VectorParams]:
        """Return the name of the vector to read, None for the one without, and what it is."""
        named: dict[str, models.VectorParams] = {}
        if isinstance(configured, models.VectorParams):
            named[""] = configured
        elif isinstance(configured, dict):
            named = configured  # pyright: ignore[reportUnknownVariableType]
        name = wanted if wanted is not None else ("" if "" in named else next(iter(named), ""))
        params = named.get(name)
        if params is None or (wanted is None and name and len(named) > 1):
            there = ", ".join(repr(name) for name in named) or "none but sparse ones"
            raise self.unfit(
                f"it has no vector '{name}'" if wanted else "it is not clear which of its vectors",
                f"set `vector` to the one that texts were embedded with; there are: {there}",
            )
        if params.multivector_config is not None:
            raise self.unfit("its points have many vectors each", "choose another by `vector`")
        if params.distance not in (models.Distance.COSINE, models.Distance.DOT):
            raise self.unfit(
                f"its distance is {params.distance.value}, and scores here are cosines",
                "make a collection with the distance Cosine of its points first",
            )
        return name or None, params

    def _page(
        self, where: models.Filter | None, payload: Any, with_vectors: bool, offset: Any,
        limit: int | None = None,
    ) -> tuple[list[models.Record], Any]:  # fmt: skip
        conditions: list[Any] = [self._has_vector, *([] if where is None else [where])]
        return self._connection.ask(
            lambda client: client.scroll(
                self._on_server, models.Filter(must=conditions), offset=offset,
                limit=limit or self.at_once,
                with_payload=payload, with_vectors=self._wanted_vectors(with_vectors),
                consistency=self._connection.consistency,
            )
        )  # fmt: skip

    def _wanted_vectors(self, with_vectors: bool) -> bool | list[str]:
        return [self._vector] if with_vectors and self._vector else with_vectors

    def _vector_of(self, record: models.Record) -> Any:
        """Return the numbers of the vector that is read; None if the point lacks it."""
        vector: Any = record.vector
        if isinstance(vector, dict):
            return cast("dict[str, Any]", vector).get(self._vector or "")
        return vector

    def _id_and_point(self, record: models.Record) -> tuple[str, PointId] | None:
        try:
            return self.reader.id_of(record.id, record.payload), record.id
        except InvalidDocument:
            return None

    def _points_named(self, ids: set[str]) -> list[PointId]:
        """Return the points whose payload has one of these ids."""
        key = path_text(self.reader.id or ())
        numbers = [int(id) for id in ids if _is_integer(id)]
        named = models.Filter(
            should=[
                models.FieldCondition(key=key, match=models.MatchAny(any=[*ids])),
                models.FieldCondition(key=key, match=models.MatchAny(any=numbers)),
            ]
        )
        try:
            return [record.id for record in self.all(False, where=named)]
        except IndexRequired:
            # A server in strict mode; then each point has to be looked at.
            pairs = map(self._id_and_point, self.all([key], limit=self._ids_at_once))
            return [pair[1] for pair in pairs if pair is not None and pair[0] in ids]


def _as_point(id: str) -> list[PointId]:
    """Return the point id that is written so, if one is."""
    if _is_integer(id) and not id.startswith("-"):
        return [int(id)]
    try:
        return [id] if str(UUID(id)) == id else []
    except ValueError:
        return []


def _is_integer(id: str) -> bool:
    """Say whether this is how a 64-bit integer is written."""
    digits = id.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(id)) == id
