"""A filter as the rows that pass it, for each language by itself.

Rows never change, so an answer once computed is kept, and grows with its segment. Conditions on
declared fields are answered by the table of field values, ids by theirs, anything else by
`filters.matches_metadata` on the rows that the other conditions have left.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.stores.faiss.catalog import ROW_MASK, first_row, rows_of_ids, select_in
from xlingual_adapters.stores.faiss.fields import sql_for
from xlingual_adapters.stores.faiss.snapshot import Segment, Snapshot
from xlingual_adapters.stores.faiss.vectors import Places
from xlingual_qdrant.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Contains,
    Filter,
    HasId,
    HasLang,
    IsIn,
    IsMissing,
    Not,
    Or,
    for_language,
    matches_metadata,
)
from xlingual_qdrant.schema import FieldType

Mask: TypeAlias = NDArray[np.bool_]
"""Shape (rows of a segment,)."""

_BYTES_KEPT = 64 << 20
"""Room for answers that are kept, for one opened collection."""
_OVERHEAD = 500
"""Bytes that an answer takes beside its array and its key, roughly."""
_LONGEST_KEY = 2_000
_FEW = 400
"""Rows that are looked up one by one; more are read as one range."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a search has to look at in one segment."""

    segment: Segment
    places: Places | None
    """Living rows that pass the filter; None: all that live."""

    @property
    def count(self) -> int:
        """The number of documents."""
        return self.segment.alive if self.places is None else len(self.places)

    def rows(self) -> list[int]:
        """Return the numbers of the rows, all of them living."""
        places = living(self.segment).places if self.places is None else self.places
        assert places is not None
        return (places + first_row(self.segment.number)).tolist()


def living(segment: Segment) -> Candidates:
    """Return all documents of a segment, with their places."""
    mask = np.ones(segment.rows, dtype=np.bool_)
    mask[segment.dead] = False
    return Candidates(segment, np.flatnonzero(mask))


@dataclass(frozen=True, slots=True)
class _Kept:
    """The first `rows` rows of a segment that pass, dead ones too, as of a state."""

    tick: int
    rows: int
    passing: Mask | NDArray[np.uint32]
    """A mask, or places where these take less room."""

    def places(self) -> Places:
        """Return the places that pass, ascending."""
        if self.passing.dtype == np.bool_:
            return np.flatnonzero(self.passing)
        return self.passing.astype(np.int64)


def _keep(tick: int, rows: int, places: Places) -> _Kept:
    if 4 * len(places) < rows:
        return _Kept(tick, rows, places.astype(np.uint32))
    mask = np.zeros(rows, dtype=np.bool_)
    mask[places] = True
    return _Kept(tick, rows, mask)


class Filtering:
    """Turns filters into candidates, for all threads of a process."""

    def __init__(self, fields: Mapping[str, FieldType]) -> None:
        self._fields: dict[str, tuple[int, FieldType]] = {
            name: (number, kind) for number, (name, kind) in enumerate(fields.items())
        }
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, str], _Kept] = OrderedDict()
        self._bytes = 0

    def candidates(
        self, connection: sqlite3.Connection, snapshot: Snapshot, where: Filter | None
    ) -> list[Candidates]:
        """Return the segments that hold matching documents, with the places of these."""
        found: list[Candidates] = []
        for segment in snapshot.segments.values():
            if not segment.alive:
                continue
            left = EVERYTHING if where is None else for_language(where, segment.lang)
            if left == NOTHING:
                continue
            if left == EVERYTHING:
                found.append(Candidates(segment, None))
                continue
            places = self._passing(connection, snapshot, segment, left)
            if len(segment.dead):
                dead = np.zeros(segment.rows, dtype=np.bool_)
                dead[segment.dead] = True
                places = places[~dead[places]]
            if len(places):
                found.append(Candidates(segment, places))
        return found

    def _passing(
        self, connection: sqlite3.Connection, snapshot: Snapshot, segment: Segment, where: Filter
    ) -> Places:
        key = (segment.number, repr(where))
        with self._lock:
            kept = self._kept.get(key)
            if kept:
                self._kept.move_to_end(key)
        # An answer of a later state lacks rows that have died since, but live in this one.
        if kept is None or kept.tick > snapshot.tick:
            kept = _Kept(0, 0, np.empty(0, dtype=np.bool_))
        if kept.rows == segment.rows:
            return kept.places()
        scope = _Scope(connection, segment, kept.rows, self._fields)
        new = np.flatnonzero(scope.passing(where, np.ones(scope.size, dtype=np.bool_)))
        places = np.concatenate([kept.places(), new + kept.rows])
        if len(key[1]) <= _LONGEST_KEY:
            self._remember(key, _keep(snapshot.tick, segment.rows, places))
        return places

    def _remember(self, key: tuple[int, str], answer: _Kept) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            if old is not None:
                self._bytes -= _size(key, old)
            self._kept[key] = answer
            self._bytes += _size(key, answer)
            while self._bytes > _BYTES_KEPT:
                self._bytes -= _size(*self._kept.popitem(last=False))


def _size(key: tuple[int, str], kept: _Kept) -> int:
    return _OVERHEAD + len(key[1]) + kept.passing.nbytes


class _Scope:
    """The rows of one segment from `start` on; masks here begin there."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        segment: Segment,
        start: int,
        fields: Mapping[str, tuple[int, FieldType]],
    ) -> None:
        self._connection, self._segment, self._start = connection, segment, start
        self._fields = fields
        self.size = segment.rows - start

    def passing(self, where: Filter, within: Mask) -> Mask:
        """Return those of `within` that pass."""
        match where:
            case And(parts):
                for part in sorted(parts, key=self._cost):
                    within = self.passing(part, within)
                return within
            case Or(parts):
                found = np.zeros(self.size, dtype=np.bool_)
                for part in sorted(parts, key=self._cost):
                    found |= self.passing(part, within & ~found)
                return found
            case Not(part):
                return within & ~self.passing(part, within)
            case HasId(ids):
                rows = rows_of_ids(self._connection, ids).values()
                base = first_row(self._segment.number)
                ends = range(base + self._start, base + self._segment.rows)
                return within & self._marked(row - base for row in rows if row in ends)
            case HasLang():
                return self.passing(for_language(where, self._segment.lang), within)
            case Compare() | IsIn() | Contains() | IsMissing():
                return self._by_field(where, within)

    def _cost(self, where: Filter) -> int:
        """Return 1 if metadata has to be decoded for this condition, else 0."""
        match where:
            case And(parts) | Or(parts):
                return max((self._cost(part) for part in parts), default=0)
            case Not(part):
                return self._cost(part)
            case HasId() | HasLang():
                return 0
            case _:
                field = self._fields.get(where.field)
                return int(field is None or sql_for(where, field[1]) is None)

    def _by_field(self, where: Compare | IsIn | Contains | IsMissing, within: Mask) -> Mask:
        field = self._fields.get(where.field)
        condition = sql_for(where, field[1]) if field else None
        if field is None or condition is None:
            return self._by_judgement(where, within)
        found = self._connection.execute(
            "SELECT place FROM field_values WHERE field = ? AND segment = ? AND place >= ?"
            f" AND {condition[0]}",
            [field[0], self._segment.number, self._start, *condition[1]],
        )
        marked = self._marked(place for (place,) in found)
        return within & ~marked if isinstance(where, IsMissing) else within & marked

    def _by_judgement(self, where: Compare | IsIn | Contains | IsMissing, within: Mask) -> Mask:
        base = first_row(self._segment.number)
        wanted = np.flatnonzero(within) + self._start + base
        if not len(wanted):
            return within
        select = "SELECT row, metadata FROM documents WHERE row"
        if len(wanted) <= _FEW:
            found = select_in(self._connection, select, wanted.tolist())
        else:
            ends = (int(wanted[0]), int(wanted[-1]))
            found = self._connection.execute(f"{select} BETWEEN ? AND ?", ends)
        passing = (
            row & ROW_MASK for row, text in found if matches_metadata(where, json.loads(text))
        )
        return within & self._marked(passing)

    def _marked(self, places: Iterable[int]) -> Mask:
        marked = np.zeros(self.size, dtype=np.bool_)
        marked[np.fromiter(places, dtype=np.int64) - self._start] = True
        return marked
