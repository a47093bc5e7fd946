"""The settings in force as rows to be shown: where each came from, and no secret among them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from xlingual_qdrant.errors import SettingsError, did_you_mean
from xlingual_qdrant.ports import DetectorPlugin, EmbedderPlugin, StorePlugin
from xlingual_qdrant.registry import Role, installed, plugin
from xlingual_qdrant.settings import SECTIONS, Section, Sections, Settings

MASK = "**********"

_SECRET_WORDS = ("key", "token", "secret", "passw", "pwd", "authorization", "credential")
# Up to the last @, because a password may hold what should have been escaped in it.
_USER_IN_URL = re.compile(r"(?<=://).*@", re.DOTALL)
_SECRET_IN_QUERY = re.compile(rf"([?&][^=&#]*(?:{'|'.join(_SECRET_WORDS)})[^=&#]*=)[^&#]*", re.I)


def effective(settings: Settings, within: str | None = None) -> list[tuple[str, object, str]]:
    """Return every setting in force: dotted name, value with secrets masked, origin.

    within: only the setting of this name, or those below it, such as "stores.prod".
    Raises SettingsError if there is none.
    """
    rows = [(name, _masked(value), origin) for name, value, origin in _rows(settings)]
    if within is None:
        return rows
    chosen = [row for row in rows if f"{row[0]}.".startswith(f"{within}.")]
    if not chosen and within not in Settings.model_fields:
        places = sorted({place for name, _, _ in rows for place in _places(name)})
        raise SettingsError(
            f"no setting '{within}' is in force.{did_you_mean(within, places)}"
            " `xlingual config` shows those that are"
        )
    return chosen


def _rows(settings: Settings) -> list[tuple[str, object, str]]:
    rows: list[tuple[str, object, str]] = []
    for name in ("collection", "store", "embedder", "detector", "long_texts"):
        rows.append((name, getattr(settings, name), settings.origins.get(name, "default")))
    for name, kind in settings.fields.items():
        rows.append((f"fields.{name}", kind, settings.origins.get(f"fields.{name}", "default")))
    for key, value in settings.cache:
        origin = settings.origins.get(f"cache.{key}", "default")
        if settings.cache.path is not None or origin != "default":
            shown = "" if value is None else str(value) if key == "path" else value
            rows.append((f"cache.{key}", shown, origin))
    for role, group in SECTIONS.items():
        for section, values in cast(Sections, getattr(settings, group)).items():
            for key, value in values.items():
                path = f"{group}.{section}.{key}"
                shown = MASK if _is_secret(role, values, key, value) else value
                rows.append((path, shown, settings.origins.get(path, "default")))
    return rows


def _places(name: str) -> list[str]:
    """Return a dotted name, and those of the sections around it."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _masked(value: object) -> object:
    """Return a value without the user, password and keys that addresses in it carry."""
    if isinstance(value, str):
        return _SECRET_IN_QUERY.sub(rf"\g<1>{MASK}", _USER_IN_URL.sub(f"{MASK}@", value))
    if isinstance(value, Mapping):
        named = cast("Mapping[str, object]", value)
        return {
            key: MASK if isinstance(each, str) and _tells_of_a_secret(key) else _masked(each)
            for key, each in named.items()
        }
    if isinstance(value, list | tuple):
        return [_masked(each) for each in cast("Sequence[object]", value)]
    return value


def _tells_of_a_secret(key: str) -> bool:
    # `api_key_env` and `key_header` say where a key is, not what it is.
    says_where = key.lower().endswith(("_env", "_header"))
    return not says_where and any(word in key.lower() for word in _SECRET_WORDS)


def _is_secret(role: Role, values: Section, key: str, value: object) -> bool:
    """Say whether a key holds a secret: its name tells, or its adapter knows."""
    # A number under such a name, as of max_tokens, is none, unless the adapter says so.
    if not isinstance(value, int | float) and _tells_of_a_secret(key):
        return True
    kinds: dict[Role, Any] = {
        "store": StorePlugin,
        "embedder": EmbedderPlugin,
        "detector": DetectorPlugin,
    }
    if not any(there.role == role and there.kind == values.get("kind") for there in installed()):
        return False
    field = plugin(role, values["kind"], kinds[role]).settings.model_fields.get(key)
    return field is not None and "SecretStr" in str(field.annotation)
