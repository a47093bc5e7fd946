"""Which field of a record is what: text, language, id; everything else is metadata."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidDocument, UnknownColumn, UnknownLanguage, UsageError
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.schema import FieldType
from xlingual_qdrant.validation import INT64, make_document

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """The names of the fields that make a document; all other fields are its metadata.

    lang, id: None means "lang" and "id" where the records have them; a name given here must be
    a column of every table. metadata: a field whose object is merged into the metadata, for
    files that `xlingual export` wrote. default_lang: for records without a tag.

    Raises UsageError if one field is to be two things, or for an unknown default language.
    """

    text: str = "text"
    lang: str | None = None
    id: str | None = None
    metadata: str | None = None
    default_lang: str | None = None

    def __post_init__(self) -> None:
        names = [name for name in (self.text, self.lang, self.id, self.metadata) if name]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"the field '{name}' is named for two things; name it for one")
        if self.default_lang is not None:
            try:
                object.__setattr__(self, "default_lang", canonical(self.default_lang))
            except UnknownLanguage as exc:
                raise UsageError(f"the default language: {exc} (language)") from exc

    @property
    def lang_field(self) -> str:
        """The field that holds the language, if a record has it."""
        return self.lang or self._default("lang")

    @property
    def id_field(self) -> str:
        """The field that holds the id, if a record has it."""
        return self.id or self._default("id")

    def _default(self, name: str) -> str:
        """A default name that was given to another part of the document is not this one's."""
        return "" if name in (self.text, self.lang, self.id, self.metadata) else name

    def check_columns(self, columns: Sequence[str], file: str) -> None:
        """Raise UnknownColumn unless a table has the columns that were asked for."""
        for name in (self.text, self.lang, self.id, self.metadata):
            if name is not None and name not in columns:
                raise UnknownColumn(file, name, columns)

    def reader(self) -> Callable[[Mapping[str, Any]], Document]:
        """Return the function that makes a document of a record's fields.

        It raises InvalidDocument. Names are looked up once and not for each record.
        """
        text_field, lang_field, id_field = self.text, self.lang_field, self.id_field
        nested, default_lang = self.metadata, self.default_lang
        roles = {name for name in (text_field, lang_field, id_field, nested) if name}

        def document(fields: Mapping[str, Any]) -> Document:
            text = fields.get(text_field, _ABSENT)
            if text is _ABSENT:
                raise InvalidDocument("field", _missing(text_field, fields))
            metadata = {key: value for key, value in fields.items() if key not in roles}
            if nested is not None:
                metadata = _merged(metadata, fields.get(nested), nested)
            lang = fields.get(lang_field) if lang_field else None
            if default_lang and (lang is None or (isinstance(lang, str) and not lang.strip())):
                lang = default_lang
            return make_document(text, fields.get(id_field) if id_field else None, lang, metadata)

        return document


def _missing(name: str, fields: Mapping[str, Any]) -> str:
    there = ", ".join(repr(key[:40]) for key in list(fields)[:8])
    return f"there is no field '{name}'; there are: {there or 'none'}"


def _merged(metadata: dict[str, Any], value: object, name: str) -> dict[str, Any]:
    if value is None:
        return metadata
    if not isinstance(value, Mapping):
        raise InvalidDocument("type", f"the field '{name}' is not an object")
    nested: Mapping[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    if both := sorted(metadata.keys() & nested.keys()):
        raise InvalidDocument("duplicate", f"'{both[0]}' is a field and also in '{name}'")
    return {**metadata, **nested}


_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_BOOL = {"true": True, "false": False}


def typed_cells(cells: Mapping[str, str], declared: Mapping[str, FieldType]) -> Mapping[str, Any]:
    """Return the cells of a table without types, those of declared fields as their type.

    Only what a collection declares is read as a number or a truth value, an empty cell as null;
    a cell that does not fit stays text, and validation then says so.
    """
    typed: dict[str, Any] = dict(cells)
    for name, kind in declared.items():
        cell = cells.get(name)
        if cell is not None and kind != "keyword":
            typed[name] = _typed(cell.strip(), kind) if cell.strip() else None
    return typed


def _typed(cell: str, kind: FieldType) -> str | int | float | bool:
    if kind == "integer" and len(cell) < 30 and _INTEGER.fullmatch(cell):
        number = int(cell)
        return number if number in INT64 else cell
    if kind == "float":
        try:
            number = float(cell)
        except ValueError:
            return cell
        return number if math.isfinite(number) and "_" not in cell else cell
    if kind == "bool":
        return _BOOL.get(cell.lower(), cell)
    return cell
