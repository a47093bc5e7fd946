"""Settings of the store that reads what LangChain's FAISS wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class LangchainFaissSettings(BaseModel):
    """Which folder, and what its metadata means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[Path, AfterValidator(Path.expanduser)]
    """The folder that `FAISS.save_local` wrote."""
    index_name: str = Field(default="index", pattern=r"^[^/\\]+$")
    """What the files are called before `.faiss` and `.pkl`."""
    lang_field: str | None = None
    """The metadata that tells a document's language; None: `lang`, or else `language`."""
