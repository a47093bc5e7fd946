"""What a point of another program means: which part of its payload is the text, and so on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, model_validator
from qdrant_client import models

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidDocument, UnknownLanguage
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.validation import check_id, check_metadata, check_text

Path: TypeAlias = tuple[str, ...]
"""Keys from the payload inward."""
Layout: TypeAlias = Literal["langchain", "haystack", "llama-index"]

_PART = re.compile(r'"([^"]+)"|([^."]+)')
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_NODE = "_node_content"
"""Where LlamaIndex keeps the whole node, as JSON text."""

_LAYOUTS: dict[Layout, dict[str, str]] = {
    "langchain": {"text": "page_content", "metadata": "metadata"},
    "haystack": {"text": "content", "id": "id", "metadata": "meta"},
    "llama-index": {"text": "text", "metadata": "metadata"},
}


class Adoption(BaseModel):
    """How to read a collection that another program made.

    Paths are written as Qdrant has them: `metadata.language`, `metadata."a.b"`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Layout | None = None
    """Which library made it; the paths below win over what that implies."""
    text: str | None = None
    id: str | None = None
    """None: the point's own id."""
    lang: str | None = None
    """None: with a layout `lang` or `language` of the metadata, else every document is `und`."""
    metadata: str | None = None
    """None: all of the payload but what the other paths name."""
    vector: str | None = None
    """The name of the vector; None: the one without a name, or the only one there is."""
    collection: str | None = None
    """What the server calls it; None: the same."""

    @model_validator(mode="after")
    def _says_what_the_text_is(self) -> Self:
        if self.layout is None and self.text is None:
            known = ", ".join(_LAYOUTS)
            raise ValueError(f"say where the text is: text = PATH, or layout = one of {known}")
        for path in (self.text, self.id, self.lang, self.metadata):
            if path is not None:
                parse_path(path)
        return self


class Read(NamedTuple):
    """A document, and the language that it came with if that is not a tag."""

    document: Document
    unknown_lang: str | None


class PayloadReader:
    """Turns points into documents."""

    def __init__(self, adoption: Adoption) -> None:
        implied: dict[str, str] = _LAYOUTS.get(adoption.layout, {}) if adoption.layout else {}
        self._is_node = adoption.layout == "llama-index"
        self._text = parse_path(adoption.text or implied["text"])
        self.id = _path(adoption.id or implied.get("id"))
        """The path of the id; None: it is the point's."""
        self._metadata = _path(adoption.metadata or implied.get("metadata"))
        self._langs: Sequence[Path] = ()
        if adoption.lang is not None:
            self._langs = (parse_path(adoption.lang),)
        elif adoption.layout is not None and self._metadata is not None:
            self._langs = ((*self._metadata, "lang"), (*self._metadata, "language"))

    def read(self, point: models.ExtendedPointId, given: Mapping[str, Any] | None) -> Read:
        """Return the document of a point; raises InvalidDocument if it is none."""
        payload = self._unpacked(given or {})
        text = check_text(_at(payload, self._text))
        metadata = self._metadata_of(payload)
        tag, unknown = _lang(next(filter(None, (_at(payload, path) for path in self._langs)), None))
        document = Document(text, self.id_of(point, given), tag or "und", metadata)
        return Read(document, unknown)

    def id_of(self, point: models.ExtendedPointId, payload: Mapping[str, Any] | None) -> str:
        """Return a document's id: what its path names, or the point's; raises InvalidDocument."""
        named = None if self.id is None else check_id(_at(payload or {}, self.id))
        return named or str(point)

    def _metadata_of(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        if self._metadata is not None:
            return check_metadata(_at(payload, self._metadata))
        named = {path[0] for path in (self._text, self.id, *self._langs) if path and len(path) == 1}
        return check_metadata({key: value for key, value in payload.items() if key not in named})

    def _unpacked(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the payload with what LlamaIndex has packed into one text beside it."""
        if not self._is_node:
            return payload
        try:
            node: object = json.loads(payload[_NODE])
        except (KeyError, TypeError, ValueError, RecursionError):
            raise InvalidDocument("field", f"the payload has no {_NODE} that is JSON") from None
        fields = cast("dict[str, Any]", node if isinstance(node, dict) else {})
        text = fields.get("text") or _at(fields, ("text_resource", "text")) or payload.get("text")
        return {**payload, "text": text, "metadata": fields.get("metadata")}


def parse_path(path: str) -> Path:
    """Return the keys of a path; raises ValueError."""
    parts = tuple(quoted or plain for quoted, plain in _PART.findall(path))
    if not parts or path not in (path_text(parts), path_text(parts, always=False)):
        raise ValueError(f'{path!r} is no path: write key, key.key, or key."key with a dot"')
    return parts


def path_text(path: Path, *, always: bool = True) -> str:
    """Return a path as Qdrant reads it. always: quote whatever is not plain ASCII."""
    quote = _PLAIN.fullmatch if always else re.compile(r'[^."]+').fullmatch
    return ".".join(key if quote(key) else f'"{key}"' for key in path)


def _path(path: str | None) -> Path | None:
    return None if path is None else parse_path(path)


def _at(payload: Mapping[str, Any], path: Path) -> object:
    """Return what lies at a path, or None."""
    value: object = payload
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, object]", value).get(key)
    return value


def _lang(given: object) -> tuple[str, str | None]:
    """Return the canonical tag, "" if there is none, and what was given if it is not one."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return "", None
    if isinstance(given, str):
        try:
            return canonical(given), None
        except UnknownLanguage:
            pass
    return "", str(given)[:60]
