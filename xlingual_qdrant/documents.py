"""The nouns: Document, Hit, and the receipts of writing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, TypeAlias

from xlingual_qdrant.languages import UNDETERMINED

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""What metadata may hold: finite numbers, integers of 64 bits, no lone surrogates."""

LangSource: TypeAlias = Literal["declared", "detected"]

LongTexts: TypeAlias = Literal["warn", "error", "chunk"]
"""What becomes of a text that is longer than the embedder reads: its beginning is embedded and
the report counts it; it is refused; or it is divided into chunks."""


def document_id(text: str, declared_lang: str = "") -> str:
    """Return the id of a document that came without one: BLAKE2b, 128 bits, in hex.

    The same text with the same declared language is the same document.
    """
    # Half a surrogate pair is refused by validation, with its position, and not here.
    encoded = f"{declared_lang}\0{text}".encode(errors="surrogatepass")
    return blake2b(encoded, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Document:
    """A text with its language and metadata.

    text: stored as given, code point by code point.
    id: any string that is not empty; made from language and text if left out.
    lang: canonical BCP 47 tag, or `und`.
    metadata: a JSON object; any keys, any nesting.
    lang_source: "declared" by whoever gave the document, or "detected"; None if unknown.
    lang_confidence: of the detector, 0 to 1; None unless detected.

    The constructor does not check; `validation.to_document` does.
    """

    text: str
    id: str = ""
    lang: str = UNDETERMINED
    metadata: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    lang_source: LangSource | None = None
    lang_confidence: float | None = None
    _hash: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.lang_source is None and self.lang != UNDETERMINED:
            object.__setattr__(self, "lang_source", "declared")
        if not self.id:
            object.__setattr__(self, "id", document_id(self.text, self.declared_lang))

    @property
    def declared_lang(self) -> str:
        """The tag that came with the document, or ""; a detected one does not count."""
        return self.lang if self.lang_source == "declared" else ""


def metadata_json(metadata: Mapping[str, JsonValue]) -> str:
    """Return metadata as canonical JSON: sorted keys, no spaces, nothing escaped needlessly."""
    return _CANONICAL.encode(metadata) if metadata else "{}"


_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def content_hash(document: Document) -> bytes:
    """Return 16 bytes that change when text, declared language or metadata change.

    A detected language does not count, so that a document can be recognised as
    unchanged before its language is detected again. It is computed once for each object.
    """
    known = document._hash  # pyright: ignore[reportPrivateUsage]
    if known is None:
        texts = (document.text, document.declared_lang, metadata_json(document.metadata))
        parts = [text.encode() for text in texts]
        framed = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
        known = blake2b(framed, digest_size=16).digest()
        object.__setattr__(document, "_hash", known)
    return known


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a document's text: `text[start:end]` of it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A document found by a search.

    score: cosine, -1 to 1, higher is nearer, the same number on every store;
    when a correction was applied, `correction` names it and `raw_score` is the cosine.
    chunk: the part of the text that is nearest, if the document was divided into chunks.
    explanation: how the score came about, if that was asked for.
    """

    document: Document
    score: float
    raw_score: float | None = None
    correction: str | None = None
    chunk: Chunk | None = None
    explanation: Mapping[str, JsonValue] | None = None

    @property
    def id(self) -> str:
        """The document's id."""
        return self.document.id

    @property
    def text(self) -> str:
        """The document's text."""
        return self.document.text

    @property
    def lang(self) -> str:
        """The document's language."""
        return self.document.lang

    @property
    def metadata(self) -> Mapping[str, JsonValue]:
        """The document's metadata."""
        return self.document.metadata


@dataclass(frozen=True, slots=True)
class WriteReceipt:
    """What a store has made durable: documents that are new, and documents replaced."""

    added: int
    updated: int


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What `Collection.add` did: read = added + updated + unchanged.

    unchanged: were there with the same content, or were left alone by `if_exists="skip"`.
    truncated: the embedder read only the beginning of their texts; they are stored whole.
    chunked: they are longer than the embedder reads, and were divided. suspect: texts that look
    damaged, by what is probably wrong with them (see `hygiene.Ailment`); they are stored as given.
    """

    read: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    truncated: int = 0
    chunked: int = 0
    suspect: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """Facts about a collection, for people and scripts."""

    name: str
    count: int
    languages: dict[str, int]
    dimension: int
    embedder: str | None
    store: str
    fields: dict[str, str]
    format_version: int
    place: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What the store tells: `path` or `url`, index kinds, bytes."""
    chunks: int = 0
    """Parts of documents that are longer than the embedder reads."""

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as one flat JSON object."""
        facts: dict[str, JsonValue] = {
            "name": self.name,
            "count": self.count,
            "languages": {**self.languages},
            "dimension": self.dimension,
            "embedder": self.embedder,
            "store": self.store,
            "fields": {**self.fields},
            "format_version": self.format_version,
        }
        if self.chunks:
            facts["chunks"] = self.chunks
        return {**self.place, **facts}
