"""Settings: where they come from, which wins, and what is wrong with them.

Order: arguments, environment (`XLINGUAL_STORE`, `XLINGUAL_STORES__PROD__API_KEY`), the
file that was named, else `xlingual.toml` in the current folder or a parent, defaults.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    PrivateAttr,
    ValidationError,
    field_validator,
)

from xlingual_qdrant.caching import CachedEmbedder
from xlingual_qdrant.documents import LongTexts
from xlingual_qdrant.errors import SettingsError, UnknownName, UsageError, did_you_mean
from xlingual_qdrant.explaining import explain
from xlingual_qdrant.ports import (
    DetectorPlugin,
    Embedder,
    EmbedderPlugin,
    LanguageDetector,
    Store,
    StorePlugin,
)
from xlingual_qdrant.registry import Role, check_settings, installed, plugin
from xlingual_qdrant.schema import FieldType, check_name

FILE_NAME = "xlingual.toml"
PREFIX = "XLINGUAL_"
NOT_SETTINGS = ("XLINGUAL_TEST_", "XLINGUAL_CONFIG")
"""Variables of the same prefix that are no settings."""

Section: TypeAlias = dict[str, Any]
Sections: TypeAlias = dict[str, Section]


class CacheSettings(BaseModel):
    """Whether vectors are kept for the next time that a text comes, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = None
    """A file; None, or "": no cache."""
    max_mb: PositiveInt = 1024
    """Size of the file in MiB; above it what was not used for the longest time goes."""

    @field_validator("path", mode="before")
    @classmethod
    def _nothing_is_none(cls, value: object) -> object:
        return None if value == "" else value


class Settings(BaseModel):
    """What to open, and where. Sections are checked by the adapter that their `kind` names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: str = "documents"
    store: str = "local"
    embedder: str = "bundled"
    detector: str = "default"
    """A name, or "none": texts without a language stay `und`."""
    long_texts: LongTexts = "warn"
    """What becomes of texts that are longer than the embedder reads: "warn" (its beginning is
    embedded, the report counts them), "error", or "chunk" (they are divided)."""
    fields: dict[str, FieldType] = Field(default_factory=dict)
    """Metadata fields that a new collection declares: typed and indexed."""
    stores: Sections = Field(default_factory=dict)
    embedders: Sections = Field(default_factory=dict)
    detectors: Sections = Field(default_factory=dict)
    cache: CacheSettings = CacheSettings()
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value came from, by dotted name: "default", a file, a variable."""
        return self._origins


DEFAULTS: dict[str, Any] = {
    **{name: Settings.model_fields[name].default for name in ("collection", "store", "embedder")},
    "detector": "default",
    "long_texts": "warn",
    "stores": {"local": {"kind": "faiss", "path": "xlingual-data"}},
    "embedders": {"bundled": {"kind": "static"}},
    "detectors": {"default": {"kind": "py3langid"}},
}
SECTIONS: dict[Role, str] = {"store": "stores", "embedder": "embedders", "detector": "detectors"}
PLAIN_SECTIONS = ("fields", "cache")
"""Sections that have their keys in them, and not further sections."""


class _Layer(NamedTuple):
    """Values of one source, nested as in the file, and what to call the source."""

    values: dict[str, Any]
    origin: str


_PLACES = ("path", "exported", "model")
_OF_A_FOLDER = ("./", "../", "~")
"""How a model begins that is a folder; other models are names."""

SettingsLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Settings
"""A file, what a file would hold as a dict, or ready settings."""


def load_settings(
    source: SettingsLike | None = None,
    *,
    overrides: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Return the settings in force.

    source: a file; a dict as a file would give it, which wins over the environment; ready
    settings (returned with the overrides applied); or None to look for the file that
    XLINGUAL_CONFIG names, else for `xlingual.toml` in `folder` (default: the current one) and
    its parents.
    overrides: `collection`, `store`, `embedder`, `detector`; None values count as absent.
    environ: default `os.environ`. Raises SettingsError for anything unknown or unreadable.
    """
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    if isinstance(source, Settings):
        merged = source.model_copy(update=given)
        merged._origins = {**source.origins, **dict.fromkeys(given, "argument")}  # pyright: ignore[reportPrivateUsage]
        return merged
    environ = os.environ if environ is None else environ
    layers = [_Layer(DEFAULTS, "default")]
    if not isinstance(source, Mapping):
        if not isinstance(source, str | os.PathLike | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"settings are no {type(source).__name__}; give a file or a mapping")
        named = source or environ.get("XLINGUAL_CONFIG")
        file = Path(named) if named else _find(folder or Path.cwd())
        if file is not None:
            layers.append(_Layer(_read(file), str(file)))
    layers += _from_environment(environ, layers)
    if isinstance(source, Mapping):
        layers.append(_Layer(dict(source), "argument"))
    layers.append(_Layer(dict(given), "argument"))
    return _merge(layers)


def _find(folder: Path) -> Path | None:
    candidates = (parent / FILE_NAME for parent in (folder, *folder.parents))
    return next((file for file in candidates if file.is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError(f"cannot read the settings file {file}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{file} is not TOML: {exc}") from exc
    # A path in a file means the same from whichever folder the file was found.
    for section in _sections(values):
        for key in _PLACES:
            value = section.get(key)
            if isinstance(value, str) and (key != "model" or value.startswith(_OF_A_FOLDER)):
                section[key] = str(file.parent / Path(value).expanduser())
    return values


def _sections(values: Mapping[str, Any]) -> Iterator[Section]:
    if isinstance(cache := values.get("cache"), dict):
        yield cast(Section, cache)
    for group in SECTIONS.values():
        named = values.get(group)
        if isinstance(named, dict):
            parts = cast("dict[str, object]", named).values()
            yield from (cast(Section, part) for part in parts if isinstance(part, dict))


def _from_environment(environ: Mapping[str, str], lower: list[_Layer]) -> Iterator[_Layer]:
    """Yield a layer for each variable, so that each has an origin of its own."""
    # A kind sweeps away what is said of its section below it, so it comes before its keys.
    for variable, value in sorted(environ.items(), key=lambda v: (not v[0].endswith("__KIND"), v)):
        if not variable.startswith(PREFIX) or variable.startswith(NOT_SETTINGS):
            continue
        first, *rest = variable.removeprefix(PREFIX).lower().split("__")
        if first not in Settings.model_fields or (len(rest) == 0) == (first in _groups()):
            raise SettingsError(
                f"the variable {variable} names no setting."
                f"{did_you_mean(first, Settings.model_fields)}"
                f" There are: {', '.join(PREFIX + name.upper() for name in Settings.model_fields)}"
                " (sections as XLINGUAL_STORES__NAME__KEY)"
            )
        if rest and first in SECTIONS.values():
            rest[0] = _spelled(rest[0], first, lower)
        nested: Any = value
        for part in reversed((first, *rest)):
            nested = {part: nested}
        yield _Layer(nested, variable)


def _groups() -> tuple[str, ...]:
    return (*SECTIONS.values(), *PLAIN_SECTIONS)


def _spelled(name: str, group: str, lower: list[_Layer]) -> str:
    """Return a section's name as files spell it: variables have no lower case and no dash."""
    known = {key for layer in lower for key in cast(Sections, layer.values.get(group, {}))}
    return next((key for key in known if key.lower().replace("-", "_") == name), name)


def _merge(layers: list[_Layer]) -> Settings:
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.values.items():
            if name in SECTIONS.values() and isinstance(value, dict):
                named = cast("dict[str, object]", value)
                _merge_sections(values.setdefault(name, {}), named, name, layer.origin, origins)
            elif name in PLAIN_SECTIONS:
                if not isinstance(value, dict):
                    raise SettingsError(f"setting '{name}' is not a section (from {layer.origin})")
                section = cast("dict[str, object]", value)
                values[name] = {**values.get(name, {}), **section}
                origins.update({f"{name}.{key}": layer.origin for key in section})
            else:
                values[name] = value
                origins[name] = layer.origin
    try:
        settings = Settings.model_validate(values)
    except ValidationError as exc:
        name, *within = map(str, exc.errors()[0]["loc"])
        origin = origins.get(".".join((name, *within[:1])), origins.get(name, layers[1].origin))
        raise SettingsError(f"{explain(exc, Settings, '')} (from {origin})") from None
    check_name(settings.collection)
    settings._origins = origins  # pyright: ignore[reportPrivateUsage]
    return settings


def _merge_sections(
    target: Sections, given: dict[str, object], group: str, origin: str, origins: dict[str, str]
) -> None:
    for name, section in given.items():
        prefix = f"{group}.{name}"
        if not isinstance(section, dict):
            raise SettingsError(f"setting '{prefix}' is not a section (from {origin})")
        values = cast(Section, section)
        # Another kind has other keys: nothing of the section below it applies.
        if values.get("kind", target.get(name, {}).get("kind")) != target.get(name, {}).get("kind"):
            target[name] = {}
            for key in [key for key in origins if key.startswith(prefix + ".")]:
                del origins[key]
        target[name] = {**target.get(name, {}), **values}
        origins.update({f"{prefix}.{key}": origin for key in values})


NameOrSettings: TypeAlias = str | Mapping[str, Any]


def load_store(name: NameOrSettings | None = None, *, settings: Settings | None = None) -> Store:
    """Return a store: by its name in the settings, by its kind, or from its own settings.

    name: such as "prod"; a kind such as "memory"; a mapping such as
    `{"kind": "faiss", "path": "data"}`; None takes `store` of the settings.
    settings: found as `load_settings` does if not given.
    Raises UnknownName, SettingsError, MissingExtra, StoreError; UsageError for what is no name.
    """
    kind, values, where = _section("store", name, settings)
    found = plugin("store", kind, StorePlugin)
    return found.open(check_settings(found.settings, values, where))


def load_embedder(
    name: NameOrSettings | None = "bundled", *, settings: Settings | None = None
) -> Embedder:
    """Return an embedder, named as for `load_store`; None takes `embedder` of the settings.

    It has the cache of the settings, if they name one; a mapping without settings has none.
    """
    known = settings if isinstance(name, Mapping) and settings is None else _known(settings)
    found, checked, _ = embedder_plugin(name, settings=known)
    opened = found.open(checked)
    if known is None or known.cache.path is None:
        return opened
    return CachedEmbedder(opened, known.cache.path, known.cache.max_mb << 20)


def embedder_plugin(
    name: NameOrSettings | None = "bundled", *, settings: Settings | None = None
) -> tuple[EmbedderPlugin, BaseModel, Section]:
    """Return what makes an embedder, without making it; named as for `load_store`.

    That is its plug-in, its settings checked, and its section as it was found, with the `kind`.
    """
    kind, values, where = _section("embedder", name, settings)
    found = plugin("embedder", kind, EmbedderPlugin)
    return found, check_settings(found.settings, values, where), {"kind": kind, **values}


def load_detector(
    name: NameOrSettings | None = "default", *, settings: Settings | None = None
) -> LanguageDetector | None:
    """Return a language detector, named as for `load_store`; None for the name "none"."""
    known = _known(settings)
    name = known.detector if name is None else name
    if isinstance(name, str) and name == "none":
        return None
    kind, values, where = _section("detector", name, known)
    found = plugin("detector", kind, DetectorPlugin)
    return found.open(check_settings(found.settings, values, where))


def _section(
    role: Role, name: NameOrSettings | None, settings: Settings | None
) -> tuple[str, Section, str]:
    """Return the kind, the values and the dotted name of a section."""
    if isinstance(name, Mapping):
        return _kind(dict(name), role, f"({role})")
    if name is not None and not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f"no {role} is named by {_type_of(name)}; give its name, a kind, or a mapping"
            " with a kind and its settings"
        )
    known = _known(settings)
    sections = cast(Sections, getattr(known, SECTIONS[role]))
    chosen = cast(str, getattr(known, role)) if name is None else name
    if chosen in sections:
        return _kind(dict(sections[chosen]), role, f"{SECTIONS[role]}.{chosen}")
    kinds = [there.kind for there in installed() if there.role == role]
    if chosen in kinds:
        return chosen, {}, chosen
    raise UnknownName(role, chosen, sorted({*sections, *kinds}))


def _known(settings: Settings | None) -> Settings:
    if settings is None:
        return load_settings()
    if not isinstance(settings, Settings):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"settings is {_type_of(settings)}; make it by load_settings(...)")
    return settings


def _type_of(value: object) -> str:
    """Name the type of what was given, not the value: it may be a secret."""
    return f"a value of type {type(value).__name__}"


def _kind(values: Section, role: Role, where: str) -> tuple[str, Section, str]:
    kind = values.pop("kind", None)
    if not isinstance(kind, str):
        kinds = ", ".join(there.kind for there in installed() if there.role == role)
        met = "is missing" if kind is None else f"is {_type_of(kind)}, not a text"
        raise SettingsError(f"setting '{where}.kind' {met}; there are: {kinds}")
    return kind, values, where
