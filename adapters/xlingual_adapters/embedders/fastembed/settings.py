"""Settings of the embedder `fastembed`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

BATCH_SIZE = 64


class Prompts(BaseModel):
    """What is put before a text; "" for nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str | None = None
    document: str | None = None


class FastembedSettings(BaseModel):
    """A model that fastembed knows by name, or a folder with a model in ONNX."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1)]
    """A name of `TextEmbedding.list_supported_models()`, or any for a folder of yours."""
    path: Path | None = None
    """A folder with its files (fastembed's `specific_model_path`); then nothing is downloaded."""
    pooling: Literal["mean", "cls", "last_token", "disabled"] | None = None
    """How the vectors of tokens become one, for a folder whose model fastembed does not know."""
    model_file: Annotated[str, Field(min_length=1)] = "model.onnx"
    """The file in that folder."""
    prompts: Prompts = Prompts()
    """In place of those that the model is known to want; fastembed itself puts none."""
    cache_dir: Path | None = None
    """Where models are downloaded to; None: as fastembed decides."""
    local_files_only: bool = False
    """Never download."""
    threads: PositiveInt | None = None
    """Of ONNX Runtime; None: as it decides."""
    providers: tuple[str, ...] | None = None
    """Execution providers of ONNX Runtime, the first that is there."""
    cuda: bool | None = None
    """Whether to use a GPU; None: as fastembed decides."""
    batch_size: PositiveInt = BATCH_SIZE
    parallel: NonNegativeInt | None = None
    """Processes for documents, where there are more than a batch; 0: one a core; None: none.
    They are started anew with each call."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.pooling is not None and self.path is None:
            raise ValueError("pooling is for a folder of yours; give its path, too")
        if self.providers is not None and self.cuda is not None:
            raise ValueError("set providers or cuda, not both")
        return self
