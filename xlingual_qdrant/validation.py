"""What makes a document acceptable, said once for the API and for files.

The rules: nothing is altered or guessed silently; what cannot be kept as it is, is
refused with a reason of the closed vocabulary in `errors.Reason`.
"""

from __future__ import annotations

import math
import reprlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from xlingual_qdrant.documents import Document, JsonValue, document_id
from xlingual_qdrant.errors import InvalidDocument, InvalidInput, UnknownLanguage
from xlingual_qdrant.hygiene import mended
from xlingual_qdrant.languages import canonical

MAX_TEXT = 1_000_000
"""Code points of a text; longer ones are refused, not cut."""
MAX_ID = 10_000
"""Code points of an id."""
MAX_DEPTH = 100
"""Levels of nesting in metadata."""
INT64 = range(-(2**63), 2**63)

_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}


def check_text(value: object) -> str:
    """Return a text that can be stored, as it is; raises InvalidDocument."""
    if value is None:
        raise InvalidDocument("empty", "the text is null")
    if isinstance(value, bytes | bytearray):
        raise InvalidDocument(
            "type",
            f"the text is bytes {reprlib.repr(value)[:60]}; decode them: text.decode('utf-8')",
        )
    if not isinstance(value, str):
        raise InvalidDocument("type", f"the text is not a string but {_kind(value)}")
    if len(value) > MAX_TEXT:
        raise InvalidDocument(
            "too-long", f"the text has {len(value):,} characters, at most {MAX_TEXT:,} are kept"
        )
    # Nearly every text shows a letter at once; the categories are for the others.
    if not value[:1].isalnum() and all(unicodedata.category(c) in _INVISIBLE for c in value):
        raise InvalidDocument("empty", "the text is empty or has no visible character")
    return _check_string(value, "the text")


def check_texts(texts: Sequence[str]) -> None:
    """Raise InvalidInput for what is to be embedded and is no sequence of strings.

    A single string is one, of its letters; but that is never meant.
    """
    if isinstance(texts, str):
        raise InvalidInput("texts is a single str, whose letters would be embedded; give [text]")
    for i, text in enumerate(texts):
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidInput(
                f"text {i} is of type {type(text).__name__}; give a str for each text"
            )


def check_unicode(text: str, number: int) -> None:
    """Raise InvalidInput, naming the text by its number, if it has half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInput(
            f"text {number} has half a surrogate pair, U+{ord(text[exc.start]):04X}, at character"
            f" {exc.start}; decode it properly, or replace it by U+FFFD"
        ) from None


def check_id(value: object) -> str:
    """Return an id as a string, "" if one is to be made; raises InvalidDocument."""
    if value is None or value == "":
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InvalidDocument("type", f"the id is not a string or integer but {_kind(value)}")
    if len(value) > MAX_ID:
        raise InvalidDocument("too-long", f"the id has {len(value):,} characters, limit {MAX_ID:,}")
    return _check_string(value, "the id")


def check_lang(value: object) -> str:
    """Return the canonical tag, "" if none was given; raises InvalidDocument."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidDocument("language", f"the language is not a string but {_kind(value)}")
    if not value.strip():
        return ""
    try:
        return canonical(value)
    except UnknownLanguage as exc:
        raise InvalidDocument("language", str(exc)) from exc


def check_metadata(value: object) -> dict[str, JsonValue]:
    """Return metadata that JSON and every store can hold exactly, as plain dicts and lists.

    It is a copy, so that later changes to what was given do not matter. Raises InvalidDocument.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidDocument("type", f"the metadata is not an object but {_kind(value)}")
    given = cast("Mapping[object, object]", value)
    return {_key(key, "metadata"): _plain(each, repr(key)[:60], 1) for key, each in given.items()}


def make_document(text: object, id: object, lang: object, metadata: object) -> Document:
    """Return the document of four raw values; raises InvalidDocument for the first bad one."""
    tag = check_lang(lang)
    return Document(
        text=check_text(text),
        id=check_id(id),
        lang=tag or "und",
        metadata=check_metadata(metadata),
        lang_source="declared" if tag else None,
    )


def to_document(value: Document | Mapping[str, Any] | str) -> Document:
    """Return a document for anything that people have: a Document, a dict, a text.

    A dict has `text`, and may have `id`, `lang`, `metadata`, nothing else.
    Raises InvalidDocument.
    """
    match value:
        case Document():
            declared = value.lang if value.lang_source == "declared" else None
            # A made id follows the canonical tag, however the tag was spelt.
            made = value.id == document_id(value.text, value.declared_lang)
            checked = make_document(value.text, "" if made else value.id, declared, value.metadata)
            if value.lang_source != "detected":
                return checked
            return Document(
                checked.text,
                checked.id,
                check_lang(value.lang) or "und",
                checked.metadata,
                "detected",
                value.lang_confidence,
            )
        case str() | bytes() | bytearray():  # pyright: ignore[reportUnnecessaryComparison]
            return make_document(value, None, None, None)
        case Mapping():
            unknown = [key for key in value if key not in ("id", "text", "lang", "metadata")]
            if unknown:
                raise InvalidDocument(
                    "field",
                    f"unknown key {unknown[0]!r}: a document has text, id, lang and metadata;"
                    " put further values into metadata",
                )
            if "text" not in value:
                raise InvalidDocument("field", "there is no key 'text'")
            return make_document(
                value["text"], value.get("id"), value.get("lang"), value.get("metadata")
            )
        case _:
            raise InvalidDocument("type", f"a document is a text or a dict, not {_kind(value)}")


def with_mended_text(document: Document) -> Document:
    """Return a document whose text, if it looks damaged, was mended; raises MissingExtra.

    An id that was made from the text is made again, so that it is the id of the sound text.
    """
    text = mended(document.text)
    if text == document.text:
        return document
    made = document.id == document_id(document.text, document.declared_lang)
    return replace(document, text=check_text(text), id="" if made else document.id)


def _check_string(value: str, what: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidDocument(
            "surrogate",
            f"{what} has half a surrogate pair, U+{ord(value[exc.start]):04X},"
            f" at character {exc.start}",
        ) from None
    return value


def _plain(value: object, where: str, depth: int) -> JsonValue:
    """Return a value as JSON has it; raises InvalidDocument for what JSON has not."""
    match value:
        case None | bool():
            return value
        case str():
            return _check_string(value, where)
        case int():
            if value not in INT64:
                raise InvalidDocument("type", f"{where}: an integer beyond 64 bits")
            return value
        case float():
            if not math.isfinite(value):
                raise InvalidDocument("type", f"{where}: {value} is not a finite number")
            return value
        case list() | tuple():
            _check_depth(where, depth)
            elements = cast("Sequence[object]", value)
            return [_plain(element, where, depth + 1) for element in elements]
        case Mapping():
            _check_depth(where, depth)
            given = cast("Mapping[object, object]", value)
            return {_key(key, where): _plain(each, where, depth + 1) for key, each in given.items()}
        case np.bool_() | np.integer() | np.floating():
            return _plain(value.item(), where, depth)
        case _:
            raise InvalidDocument("type", f"{where}: JSON cannot hold {_kind(value)}")


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidDocument("type", f"{where}: the key {_kind(key)} is not a string")
    return _check_string(key, f"{where}: a key")


def _check_depth(where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidDocument("json", f"{where}: nested more than {MAX_DEPTH} levels deep")


def _kind(value: object) -> str:
    # reprlib is bounded in length and depth, whatever was given.
    return f"{type(value).__name__} {reprlib.repr(value)[:60]}"
