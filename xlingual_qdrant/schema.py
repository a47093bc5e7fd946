"""What a collection promises: its dimension, its embedder's fingerprint, its typed fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.filters import parse_datetime

FORMAT_VERSION = 1
"""Version of everything that is stored; older ones are read, newer ones refused."""

PROBES: tuple[str, ...] = (
    "The ferry leaves at seven.",
    "Wo ist der nächste Bahnhof?",
    "今日は雨が降っています。",
    "أين مفتاح الباب؟",
    "Сегодня я купил хлеб.",
    "यह किताब बहुत अच्छी है।",
)
"""Fixed sentences in several scripts; their vectors tell one model from another."""

PROBE_LANGUAGES: tuple[str, ...] = ("en", "de", "ja", "ar", "ru", "hi")

SAME_COSINE = 0.98
"""Above it, different probe sentences look the same to a model: it knows neither's characters."""

COMPATIBLE_COSINE = 0.999
"""Above it, probe vectors come from the same model at another precision."""

FieldType: TypeAlias = Literal["keyword", "integer", "float", "bool", "datetime"]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def check_name(name: str) -> str:
    """Return a collection's name; raises SettingsError unless it is safe on every store."""
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} cannot name a collection: use 1 to 128 of A-Z a-z 0-9 _ . -,"
            " and begin with a letter, a digit or _"
        )
    return name


class Comparison(NamedTuple):
    """How two embedders relate."""

    verdict: Literal["same", "compatible", "different"]
    differences: str
    """In words, for a message; empty when they are the same."""


class EmbedderFingerprint(BaseModel):
    """What identifies an embedder: its name is not enough, its vectors are the proof."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    model: str
    revision: str = ""
    dimension: PositiveInt
    prompts: dict[str, str] = Field(default_factory=dict)
    """By role, "query" and "document"; a role that is absent has none."""
    max_tokens: int | None = None
    """Longer texts are cut there; None: no limit."""
    normalized: bool = True
    probes: list[list[float]]
    """Vectors of `PROBES` as documents, rounded to 4 decimals."""

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.kind}:{self.model}{revision} ({self.dimension} dimensions)"

    def compare(self, other: EmbedderFingerprint) -> Comparison:
        """Say whether vectors of the two may be mixed.

        same: nothing differs that shapes a vector. compatible: the names, the precision or
        the truncation differ, the probe vectors agree above `COMPATIBLE_COSINE`.
        """
        if self.dimension != other.dimension:
            return Comparison("different", f"{self.dimension} and {other.dimension} dimensions")
        if self.prompts != other.prompts:
            return Comparison("different", f"prompts {self.prompts} and {other.prompts}")
        cosines = _cosines(self.probes, other.probes)
        shown = ", ".join(f"{cosine:.3f}" for cosine in cosines)
        if len(self.probes) != len(other.probes) or min(cosines, default=0) <= COMPATIBLE_COSINE:
            return Comparison("different", f"probe sentences have cosines {shown}")
        if self == other:
            return Comparison("same", "")
        return Comparison("compatible", f"probe sentences have cosines {shown}")


def unread_languages(fingerprint: EmbedderFingerprint) -> list[str]:
    """Return the languages among those of `PROBES` whose sentences the model cannot tell apart.

    A tokenizer that does not know a script makes "unknown" of all its words, and every text of
    it gets nearly the same vector.
    """
    probes = _unit(fingerprint.probes)
    cosines = probes @ probes.T
    np.fill_diagonal(cosines, 0)
    unread: NDArray[np.bool_] = np.any(cosines > SAME_COSINE, axis=1)
    return [tag for tag, same in zip(PROBE_LANGUAGES, unread.tolist(), strict=False) if same]


def round_probes(vectors: NDArray[np.float32]) -> list[list[float]]:
    """Return probe vectors, shape (len(PROBES), dimension), as a fingerprint holds them."""
    return [[round(float(x), 4) for x in row] for row in vectors]


def _cosines(a: list[list[float]], b: list[list[float]]) -> list[float]:
    rows = min(len(a), len(b))
    if not rows:
        return []
    return [float(x) for x in (_unit(a[:rows]) * _unit(b[:rows])).sum(axis=1)]


def _unit(rows: list[list[float]]) -> NDArray[np.float64]:
    vectors = np.array(rows, dtype=np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


class CollectionSchema(BaseModel):
    """Stored with the collection, so that another process needs nothing but its address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(check_name)]
    dimension: PositiveInt
    embedder: EmbedderFingerprint | None = None
    """None: a collection of ready vectors."""
    fields: dict[str, FieldType] = Field(default_factory=dict)
    """Declared metadata fields: typed and indexed."""
    format_version: int = FORMAT_VERSION


def field_problem(fields: Mapping[str, FieldType], metadata: Mapping[str, JsonValue]) -> str:
    """Return what is wrong with metadata under declared fields, in words; "" if nothing.

    A declared field may be absent or null; a list must hold values of the type.
    """
    for name, kind in fields.items():
        value = metadata.get(name)
        for element in value if isinstance(value, list) else [value]:
            if element is not None and not _fits(element, kind):
                return f"field '{name}' is declared {kind}, got {str(element)[:60]!r}"
    return ""


def _fits(value: JsonValue, kind: FieldType) -> bool:
    match kind:
        case "keyword":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "datetime":
            return isinstance(value, str) and parse_datetime(value) is not None
