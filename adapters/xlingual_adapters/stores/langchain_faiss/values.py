"""Metadata of Python as metadata of JSON. What JSON has no word for is told, never dropped.

Dates become ISO 8601, which filters compare as moments; decimals become numbers where no
digit is lost; paths, UUIDs and the like become text; NaN, which stands for "missing" in
tables, becomes null. Each change is counted by what it was.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath, PureWindowsPath
from typing import cast
from uuid import UUID

import numpy as np

from xlingual_adapters.stores.langchain_faiss.pickled import Made, Name
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import InvalidDocument
from xlingual_qdrant.validation import INT64, MAX_DEPTH

_EPOCH = datetime(1970, 1, 1)
_LARGEST_TEXT_BITS = 10_000
"""Longer integers are not written out in decimal: that takes time without bound."""


@dataclass(slots=True)
class Converter:
    """Turns values into JSON, and counts what it changed.

    budget: how many values may come in all; a few bytes of a pickle can stand for billions.
    """

    budget: int
    changed: Counter[str] = field(default_factory=Counter[str])

    def metadata(self, value: object) -> dict[str, JsonValue]:
        """Return metadata as an object of JSON; raises InvalidDocument if it cannot be kept."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InvalidDocument("type", f"the metadata is a {type(value).__name__}")
        return self._object(cast("dict[object, object]", value), 1)

    def _value(self, value: object, depth: int) -> JsonValue:
        self.budget -= 1
        if self.budget < 0:
            raise InvalidDocument("too-long", "the metadata repeats itself without end")
        if depth > MAX_DEPTH:
            raise InvalidDocument("json", f"metadata nested more than {MAX_DEPTH} levels deep")
        match value:
            case None | bool():
                return value
            case str():
                return self._text(value)
            case int():
                return value if value in INT64 else self._changed("large integers", _digits(value))
            case float():
                return self._float(value)
            case list() | tuple():
                return [self._value(each, depth + 1) for each in cast("Sequence[object]", value)]
            case dict():
                return self._object(cast("dict[object, object]", value), depth)
            case set() | frozenset():
                return self._changed("sets", self._sorted(list(cast("set[object]", value)), depth))
            case bytes() | bytearray():
                return self._changed("bytes", b64encode(value).decode())
            case Made():
                return self._made(value, depth)
            case _:
                raise InvalidDocument("type", f"the metadata holds {_shown(value)}")

    def _object(self, values: dict[object, object], depth: int) -> dict[str, JsonValue]:
        made = {self._key(key): self._value(each, depth + 1) for key, each in values.items()}
        if len(made) < len(values):
            raise InvalidDocument("field", "two keys of the metadata are the same as text")
        return made

    def _key(self, key: object) -> str:
        if isinstance(key, str):
            return self._text(key)
        # Numbers, booleans and null as keys: as `json.dumps` has them.
        if key is None or isinstance(key, bool | float) or (isinstance(key, int) and key in INT64):
            self.changed["keys"] += 1
            return json.dumps(key)
        return str(self._value(key, 1))

    def _sorted(self, values: list[object], depth: int) -> JsonValue:
        made = [self._value(each, depth + 1) for each in values]
        return sorted(made, key=lambda each: json.dumps(each, sort_keys=True))

    def _text(self, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.changed["half surrogate pairs"] += 1
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value

    def _float(self, value: float) -> JsonValue:
        if math.isfinite(value):
            return value
        return self._changed("not finite numbers", None if math.isnan(value) else str(value))

    def _made(self, made: Made, depth: int) -> JsonValue:
        if made.name in _COLLECTIONS and len(made.args) <= 1:
            values = made.args[0] if made.args else ()
            if isinstance(values, list | tuple):
                elements = list(cast("Sequence[object]", values))
                return self._changed("sets", self._sorted(elements, depth))
        try:
            plain = _PLAIN[made.name](made)
        except (
            KeyError,
            ValueError,
            TypeError,
            IndexError,
            OverflowError,
            InvalidOperation,
        ) as exc:
            raise InvalidDocument("type", f"the metadata holds {_shown(made)}") from exc
        if isinstance(plain, float):
            plain = self._float(plain)
        return plain if "numpy" in made.name else self._changed(made.name, plain)

    def _changed(self, what: str, value: JsonValue) -> JsonValue:
        self.changed[what] += 1
        return value


def _shown(value: object) -> str:
    """Return what a value is, for a message."""
    match value:
        case Made():
            return f"a {value.name} that cannot be read"
        case Name():
            return f"the name {value.full}"
        case _:
            return f"a {type(value).__name__}"


def _digits(value: int) -> str:
    return str(value) if value.bit_length() <= _LARGEST_TEXT_BITS else hex(value)


def _bytes(value: object) -> bytes:
    """Return the bytes of a date; a pickle of the oldest kind has them as text."""
    if isinstance(value, str):
        return value.encode("latin-1")
    if not isinstance(value, bytes):
        raise TypeError(type(value))
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(type(value))
    return value


def _date(made: Made) -> str:
    [data] = made.args
    high, low, month, day = _bytes(data)
    return date(high * 256 + low, month, day).isoformat()


def _datetime(made: Made) -> str:
    data = _bytes(made.args[0])
    high, low, month, day, hour, minute, second, *micros = data
    fold, month = divmod(month, 128)
    zone = _zone(made.args[1]) if len(made.args) > 1 else None
    micro = int.from_bytes(bytes(micros), "big")
    year = high * 256 + low
    return datetime(
        year, month, day, hour, minute, second, micro, tzinfo=zone, fold=fold
    ).isoformat()


def _time(made: Made) -> str:
    hour, minute, second, *micros = _bytes(made.args[0])
    zone = _zone(made.args[1]) if len(made.args) > 1 else None
    micro = int.from_bytes(bytes(micros), "big")
    return time(hour % 128, minute, second, micro, tzinfo=zone).isoformat()


def _delta(made: object) -> timedelta:
    if not isinstance(made, Made) or made.name != "datetime.timedelta":
        raise TypeError(type(made))
    return timedelta(*map(_whole, made.args))


def _zone(made: object) -> tzinfo | None:
    if made is None:
        return None
    if not isinstance(made, Made):
        raise TypeError(type(made))
    match made.name:
        case "datetime.timezone":
            return timezone(_delta(made.args[0]))
        case "pydantic_core._pydantic_core.TzInfo":
            return timezone(timedelta(seconds=_whole(made.args[0])))
        case "pytz._UTC" | "dateutil.tz.tz.tzutc":
            return timezone.utc  # noqa: UP017
        case _:
            raise TypeError(type(made))


def _decimal(made: Made) -> JsonValue:
    [digits] = made.args
    number = Decimal(str(digits))
    if not number.is_finite():
        return float(number)
    if number == number.to_integral_value() and number.as_tuple().exponent == 0:
        return int(number) if abs(number) < 2**63 else str(number)
    # A float is kept only if it is written with the same digits.
    return float(number) if Decimal(repr(float(number))) == number else str(number)


def _uuid(made: Made) -> str:
    state = cast("dict[str, object]", made.state)
    return str(UUID(int=_whole(state["int"])))


def _scalar(made: Made) -> JsonValue:
    dtype, data = made.args
    if not isinstance(dtype, Made) or not isinstance(data, bytes):
        raise TypeError(type(made))
    kind = str(dtype.args[0])
    if kind not in _NUMPY_KINDS:
        raise ValueError(kind)
    order = cast("tuple[object, ...]", dtype.state)[1]
    [value] = np.frombuffer(data, np.dtype(kind).newbyteorder(">" if order == ">" else "<"))
    return cast("bool | int | float", value.item())


def _timestamp(made: Made) -> JsonValue:
    """Return a date of pandas: units since 1970, and a time zone in which to show them."""
    count, _, zone, *unit = made.args
    per_second = _PER_SECOND[_whole(unit[0]) if unit else 10]
    whole, rest = divmod(_whole(count), per_second)
    moment = _EPOCH + timedelta(seconds=whole, microseconds=rest * 1_000_000 // per_second)
    if zone is None:
        return moment.isoformat()
    return moment.replace(tzinfo=timezone.utc).astimezone(_zone(zone)).isoformat()  # noqa: UP017


def _parts(made: Made) -> list[str]:
    return [part for part in made.args if isinstance(part, str)]


_COLLECTIONS = ("builtins.set", "builtins.frozenset")
_NUMPY_KINDS = frozenset(f"{kind}{size}" for kind in "iuf" for size in (1, 2, 4, 8)) - {"f1"} | {
    "b1"
}
_PER_SECOND = {7: 1, 8: 1_000, 9: 1_000_000, 10: 1_000_000_000}
"""By the number that NumPy gives to seconds, milli-, micro- and nanoseconds."""

_PLAIN: dict[str, Callable[[Made], JsonValue]] = {
    "datetime.date": _date,
    "datetime.datetime": _datetime,
    "datetime.time": _time,
    "datetime.timedelta": lambda made: _delta(made).total_seconds(),
    "decimal.Decimal": _decimal,
    "uuid.UUID": _uuid,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "pandas._libs.tslibs.timestamps._unpickle_timestamp": _timestamp,
    "pandas._libs.tslibs.nattype._nat_unpickle": lambda _: None,
    **dict.fromkeys(
        ("pathlib.PosixPath", "pathlib.PurePosixPath", "pathlib._local.PosixPath"),
        lambda made: str(PurePosixPath(*_parts(made))),
    ),
    **dict.fromkeys(
        ("pathlib.WindowsPath", "pathlib.PureWindowsPath", "pathlib._local.WindowsPath"),
        lambda made: str(PureWindowsPath(*_parts(made))),
    ),
}

KNOWN = frozenset({
    *_PLAIN, *_COLLECTIONS,
    "datetime.timezone", "pytz._UTC", "dateutil.tz.tz.tzutc",
    "pydantic_core._pydantic_core.TzInfo", "numpy.dtype", "uuid.SafeUUID",
    "collections.OrderedDict", "collections.defaultdict",
    "builtins.list", "builtins.dict", "builtins.int", "builtins.str", "builtins.float",
})  # fmt: skip
"""Names of what plain values are made of; whoever calls them makes a value, and nothing else."""
