"""The models that the guide knows, read from `models.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import UnknownName

Percent = Annotated[float, Field(ge=0, le=100)]
Text = Annotated[str, Field(min_length=1)]
Value = str | bool | int | float
Role = Literal["query", "document"]


class Model(BaseModel):
    """What is known of a model; see `models.toml` for what the fields mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    hub: Text | None = None
    """Its name on the Hugging Face hub; None: it comes with the library."""
    dimension: PositiveInt
    max_tokens: PositiveInt | Literal["unlimited"]
    """What it reads of a text."""
    size_mib: PositiveInt
    licence: Text
    languages: Text
    """How many, in words: "50", "100+"."""
    language_tags: str = ""
    prompts: dict[Role, Text] = {}
    """What it expects in front of texts."""
    published: dict[str, Percent] = {}
    measured: dict[str, Percent] = {}
    measured_as: str = ""
    note: Text
    sources: Annotated[list[Text], Field(min_length=1)]
    section: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    """A short name for its section in the settings."""
    settings: dict[str, Value]

    @property
    def kind(self) -> str:
        """The kind of embedder that runs it."""
        return str(self.settings["kind"])

    def toml(self) -> str:
        """Return the lines for `xlingual.toml`."""
        lines = [f"[embedders.{self.section}]"]
        return "\n".join([*lines, *(f"{key} = {_toml(v)}" for key, v in self.settings.items())])

    def to_json(self) -> dict[str, JsonValue]:
        """Return all facts."""
        facts = self.model_dump(mode="json")
        return {**facts, "language_tags": list(self.language_tags.split())}


class Catalogue(BaseModel):
    """All models, and what their figures mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    published_source: Text
    tasks: dict[str, Text]
    """What a figure says, by its key in `published` and `measured`."""
    models: list[Model]

    def find(self, name: str) -> Model:
        """Return the model of a name, with or without the organisation, or of a section's name.

        Upper and lower case are the same. Raises UnknownName, which suggests the nearest.
        """
        wanted = name.casefold()
        for model in self.models:
            if wanted in (model.name.casefold(), model.section) or (
                model.hub is not None and wanted == model.hub.casefold()
            ):
                return model
        known = [*(model.section for model in self.models), *(model.name for model in self.models)]
        raise UnknownName("model", name, known)


@cache
def catalogue() -> Catalogue:
    """Return what ships with the library."""
    text = files("xlingual_qdrant.guide").joinpath("models.toml").read_text(encoding="utf-8")
    return Catalogue.model_validate(tomllib.loads(text))


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
