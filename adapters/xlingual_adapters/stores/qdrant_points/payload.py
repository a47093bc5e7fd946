"""The payload of a document's point: one key of the library's own, one of the user's.

    {
      "_xlingual": {
        "kind": "document",            what the point is: document, schema or state
        "id": "B07YSTB5HX",            the id as given; the point's id is made from it
        "text": "...",
        "lang": "zh-Hant",             canonical tag; the tenant of the index
        "langs": ["zh", "zh-Hant"],    all tags that match it, for filters
        "lang_source": "detected",     absent if unknown
        "lang_confidence": "0.93",     absent unless detected; a string, so that no digit is lost
        "hash": "9f86d081...",         content hash, hex
        "lists": ["tags"],             metadata fields that are lists; absent if there are none
        "moments": {"created": ["2026-01-31T00:00:00.000000+00:00"]},
                                       strings of the metadata that are dates, in UTC; likewise
        "exact": "{...}"               the metadata as JSON text, only where the server would
                                       alter it: floats of many digits, deep nesting
      },
      "metadata": {"tags": ["a"], "created": "2026-01-31"}
    }

A point without `_xlingual.kind` belongs to somebody else: it is never shown, counted or changed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, cast

from xlingual_qdrant.documents import Document, JsonValue, content_hash, metadata_json
from xlingual_qdrant.filters import parse_datetime

OWN = "_xlingual"
METADATA = "metadata"

Kind: TypeAlias = Literal["document", "schema", "state"]

KIND = f"{OWN}.kind"
LANG = f"{OWN}.lang"
LANGS = f"{OWN}.langs"
LISTS = f"{OWN}.lists"
MOMENTS = f"{OWN}.moments"

ID_ONLY = [f"{OWN}.{name}" for name in ("kind", "id", "lang")]
HASH_ONLY = [f"{OWN}.hash"]
WITHOUT_TEXT = [f"{OWN}.{name}" for name in ("kind", "id", "lang", "exact")] + [METADATA]
"""Enough to check a filter."""

_DEEPEST = 16
"""Deeper metadata is kept as JSON text only: servers and gRPC bound the nesting."""
_EXACT_DIGITS = 15
_EXACT_EXPONENT = 22
"""Within these a decimal number is read exactly by any JSON parser."""


def to_payload(document: Document) -> dict[str, Any]:
    """Return the payload for a document; it shares nothing with it."""
    own: dict[str, Any] = {
        "kind": "document",
        "id": document.id,
        "text": document.text,
        "lang": document.lang,
        "langs": matching_tags(document.lang),
        "hash": content_hash(document).hex(),
    }
    if document.lang_source is not None:
        own["lang_source"] = document.lang_source
    if document.lang_confidence is not None:
        own["lang_confidence"] = repr(float(document.lang_confidence))
    if lists := [name for name, value in document.metadata.items() if isinstance(value, list)]:
        own["lists"] = lists
    if moments := _moments(document.metadata):
        own["moments"] = moments
    exact = metadata_json(document.metadata)
    metadata: dict[str, JsonValue] = json.loads(exact)
    if _is_altered(metadata):
        own["exact"] = exact
        metadata = {name: _pruned(value, _DEEPEST) for name, value in metadata.items()}
    return {OWN: own, METADATA: metadata}


def to_document(payload: Mapping[str, Any] | None) -> Document | None:
    """Return the document of a payload; None if the point is not one.

    Where the text was not asked for, it is empty.
    """
    own = own_part(payload, "document")
    if own is None or payload is None:
        return None
    exact, confidence = own.get("exact"), own.get("lang_confidence")
    return Document(
        text=own.get("text", ""),
        id=own["id"],
        lang=own["lang"],
        metadata=payload.get(METADATA, {}) if exact is None else json.loads(exact),
        lang_source=own.get("lang_source"),
        lang_confidence=None if confidence is None else float(confidence),
    )


def own_part(payload: Mapping[str, Any] | None, kind: Kind) -> dict[str, Any] | None:
    """Return the library's own part of a payload; None if the point is not of this kind."""
    own: object = (payload or {}).get(OWN)
    if not isinstance(own, dict):
        return None
    part = cast("dict[str, Any]", own)
    return part if part.get("kind") == kind else None


def matching_tags(lang: str) -> list[str]:
    """Return all tags that match a document of this language: `zh-Hant` gives `zh`, `zh-Hant`."""
    parts = lang.split("-")
    return ["-".join(parts[:length]) for length in range(1, len(parts) + 1)]


def json_bytes(payload: Mapping[str, Any]) -> int:
    """Return the length of a payload on the wire."""
    return len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())


def _moments(metadata: Mapping[str, JsonValue]) -> dict[str, list[str]]:
    """Return, for each field that has any, its dates and datetimes in one notation."""
    found: dict[str, list[str]] = {}
    for name, value in metadata.items():
        elements = value if isinstance(value, list) else [value]
        texts = (element for element in elements if isinstance(element, str))
        parsed = [moment for moment in map(parse_datetime, texts) if moment is not None]
        if parsed:
            found[name] = [moment.isoformat(timespec="microseconds") for moment in parsed]
    return found


def _is_altered(value: JsonValue, room: int = _DEEPEST) -> bool:
    """Say whether a server may give a value back otherwise than it was sent."""
    match value:
        case bool() | int() | str() | None:
            return False
        case float():
            return not _is_plain(value)
        case list():
            return room == 0 or any(_is_altered(element, room - 1) for element in value)
        case dict():
            return room == 0 or any(_is_altered(part, room - 1) for part in value.values())


def _is_plain(number: float) -> bool:
    """Say whether a float is written with few digits and near enough to 1."""
    if number == 0:
        return math.copysign(1, number) > 0
    digits = repr(abs(number)).split("e")[0].replace(".", "").strip("0")
    exponent = math.log10(abs(number))
    return len(digits) <= _EXACT_DIGITS and abs(exponent) + len(digits) < _EXACT_EXPONENT


def _pruned(value: JsonValue, room: int) -> JsonValue:
    """Return the value with `{}` for what lies too deep: there, and equal to nothing."""
    match value:
        case list():
            return {} if room == 0 else [_pruned(element, room - 1) for element in value]
        case dict():
            return {} if room == 0 else {k: _pruned(v, room - 1) for k, v in value.items()}
        case _:
            return value
