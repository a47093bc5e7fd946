"""Settings of the local store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

IndexKind: TypeAlias = Literal["exact", "hnsw", "ivf"]


class FaissSettings(BaseModel):
    """Where the collections live, and how they are searched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[Path, AfterValidator(Path.expanduser)] = Path("xlingual-data")
    """The folder; it holds a folder per collection."""
    index: Literal["auto", "exact", "hnsw", "ivf"] = "auto"
    """auto: by the number of documents in each language, see `indexes.wanted_kind`."""
    recall: float = Field(default=0.98, ge=0.5, le=1.0)
    """Share of the ten nearest that an approximate index has to find when it is tuned."""
    index_from: PositiveInt = 2_000
    """Documents of a language from which `hnsw` and `ivf` build an index; fewer are scanned."""
