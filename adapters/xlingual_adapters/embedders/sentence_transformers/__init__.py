"""Models of sentence-transformers: any name of the Hugging Face hub, or a folder.

Nothing heavy is imported before a model is opened: `xlingual plugins` lists this adapter
where neither torch nor sentence-transformers is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from xlingual_adapters.embedders.sentence_transformers.embedder import SentenceTransformersEmbedder
from xlingual_adapters.embedders.sentence_transformers.prompts import Role
from xlingual_qdrant.finetuning import FinetuneOrder, FinetuneReport, OnEvaluation
from xlingual_qdrant.ports import EmbedderPlugin

__all__ = ["SentenceTransformersEmbedder", "SentenceTransformersSettings", "plugin"]

Backend: TypeAlias = Literal["auto", "torch", "onnx", "openvino"]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16", "int8"]


class SentenceTransformersSettings(BaseModel):
    """Settings of the embedder `sentence-transformers`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    """A name of the Hugging Face hub, or a folder; a name without an organisation is one of
    sentence-transformers'."""
    revision: str | None = None
    """A commit, tag or branch of the hub; None: the newest of the main branch."""
    offline: bool = False
    """Take the model from the cache, and ask nobody."""
    trust_remote_code: bool = False
    """Run program code that comes with the model."""
    device: str | None = None
    """Such as "cpu", "cuda:1", "mps"; None: the fastest there is."""
    backend: Backend = "torch"
    """What computes the vectors; "auto" measures what is installed. torch and fp32 are the
    defaults because they give every machine the same vectors."""
    precision: Precision = "fp32"
    """"auto" takes the fastest that is near enough, of all backends unless one is named."""
    min_cosine: float = Field(default=0.999, ge=0, le=1)
    """How near "auto" has to stay to the vectors of torch and fp32."""
    exported: Path | None = None
    """A folder for models in the form that another backend needs; None: in the user's cache."""
    prompts: dict[Role, str] = Field(default_factory=dict[Role, str])
    """Put before each text, by role, instead of what the model is known to need; "" for nothing."""
    max_tokens: PositiveInt | None = None
    """Read so much of a text, instead of what the model's folder says."""
    truncate_dim: PositiveInt | None = None
    """Keep the first dimensions of each vector, for models that are trained for it."""
    batch_size: PositiveInt = 32
    """Texts that go through the model at once, as long as the memory takes them."""
    processes: PositiveInt = 1
    """So many processes with the model each."""

    @model_validator(mode="before")
    @classmethod
    def _all_backends_where_precision_is_open(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        values = cast("dict[str, object]", given)
        if values.get("precision") == "auto" and "backend" not in values:
            return {**values, "backend": "auto"}
        return values


def _open(settings: SentenceTransformersSettings) -> SentenceTransformersEmbedder:
    return SentenceTransformersEmbedder.open(settings)


def _variants(settings: SentenceTransformersSettings) -> list[SentenceTransformersSettings]:
    """Return the backends and precisions that this machine has, of the same model."""
    from sentence_transformers.util import get_device_name

    from xlingual_adapters.embedders.sentence_transformers.runtimes.candidates import candidates

    found, _ = candidates("auto", "auto", settings.device or get_device_name())
    return [
        settings.model_copy(update={"backend": one.backend, "precision": one.precision})
        for one in found
    ]


def _finetune(
    settings: SentenceTransformersSettings, order: FinetuneOrder, on_evaluation: OnEvaluation
) -> FinetuneReport:
    # Imported on use: it is not needed to embed.
    from xlingual_adapters.embedders.sentence_transformers.finetuning import finetune

    return finetune(settings, order, on_evaluation)


plugin = EmbedderPlugin(
    settings=SentenceTransformersSettings,
    open=_open,
    summary="any model of the Hugging Face hub, or a folder of one's own; needs torch",
    variants=_variants,
    finetune=_finetune,
)
