"""Settings of the Edge store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt


class QdrantEdgeSettings(BaseModel):
    """Where the collections live, and how they are indexed and searched.

    Quantisation and `on_disk` count when a collection is created; the rest when it is opened.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[Path, AfterValidator(Path.expanduser)] = Path("xlingual-edge")
    """The folder; it holds a folder per collection."""

    index_from: PositiveInt = 100_000
    """Documents without an index from which `flush` builds one; fewer are all compared."""
    hnsw_m: PositiveInt = 16
    """Neighbours of a document in the graph."""
    hnsw_ef_construct: PositiveInt = 100
    """Candidates for its neighbours when it is built."""
    search_ef: PositiveInt = 512
    """Candidates of a search in the graph."""

    quantisation: Literal["none", "scalar", "binary", "product", "turbo"] = "none"
    """Smaller copies of the vectors to search in; the nearest are scored anew in full."""
    oversampling: float = Field(default=2.0, ge=1.0)
    """With quantisation: candidates scored anew, in multiples of what is asked for."""
    on_disk: bool = False
    """Leave vectors and graph on disk until they are needed, rather than read them at the start."""
