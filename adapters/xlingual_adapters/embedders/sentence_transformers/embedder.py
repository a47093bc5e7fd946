"""The embedder itself: texts sorted by length, batches, unit rows, and who it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.sentence_transformers import folders
from xlingual_adapters.embedders.sentence_transformers.batches import (
    Batches,
    Lengths,
    lengths_of,
    longest_first,
)
from xlingual_adapters.embedders.sentence_transformers.loading import Loaded, load
from xlingual_adapters.embedders.sentence_transformers.pool import Pool
from xlingual_adapters.embedders.sentence_transformers.prompts import Role, prompts_of, task_of
from xlingual_adapters.embedders.sentence_transformers.reading import Reader, check_room, read_limit
from xlingual_qdrant.errors import InvalidVectors, SettingsError
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from xlingual_adapters.embedders.sentence_transformers import SentenceTransformersSettings

_PIECE = 8  # batches that a process of the pool gets at once


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model's vectors is used, and what it reads.

    dimension: numbers that are kept of each vector, the first ones. prompts: by role.
    """

    dimension: int
    max_tokens: int | None
    prompts: dict[Role, str]


class SentenceTransformersEmbedder:
    """Embeds texts with a model of sentence-transformers; safe to use from several threads.

    A text of which the model makes nothing, the vector zero, gets a vector that is near to
    nothing in particular, always the same.
    """

    def __init__(
        self,
        loaded: Loaded,
        shape: Shape,
        *,
        batch_size: int = 32,
        pool: Pool | None = None,
        runtime: str = "torch, fp32",
    ) -> None:
        self.model: SentenceTransformer = loaded.model
        self.runtime = runtime
        """Which backend computes the vectors, at which precision, and why."""
        self._loaded = loaded
        self._shape = shape
        self._pool = pool
        self._lock = Lock()
        self._device = str(loaded.model.device)
        self._batches = Batches(batch_size, max_tokens=shape.max_tokens, device=self._device)
        self._reader = Reader(loaded.model, shape.max_tokens, shape.prompts["document"], self._lock)
        self._nothing = _direction(shape.dimension)
        probes = self._run("document", list(PROBES), lengths_of(PROBES))
        self._fingerprint = EmbedderFingerprint(
            kind="sentence-transformers",
            model=loaded.name,
            revision=loaded.revision,
            dimension=shape.dimension,
            prompts={role: prompt for role, prompt in shape.prompts.items() if prompt},
            max_tokens=shape.max_tokens,
            probes=round_probes(probes),
        )

    @classmethod
    def open(cls, settings: SentenceTransformersSettings) -> SentenceTransformersEmbedder:
        """Return the embedder of a model, which is loaded, and fetched first if need be.

        Raises SettingsError, ModelUnreachable, UnreadableFile, MissingExtra.
        """
        loaded = load(
            settings.model,
            revision=settings.revision,
            offline=settings.offline,
            device=settings.device,
            trust_remote_code=settings.trust_remote_code,
        )
        shape = _shape(loaded, settings)
        runtime = _accelerated(loaded, settings)
        pool = Pool(_workers(settings, loaded)) if settings.processes > 1 else None
        return cls(loaded, shape, batch_size=settings.batch_size, pool=pool, runtime=runtime)

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What collections remember of this model."""
        return self._fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._shape.dimension

    @property
    def max_tokens(self) -> int | None:
        """Tokens that are read of a text, with those of its prompt; None: all."""
        return self._shape.max_tokens

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows.

        Raises InvalidInput for what is no text, OutOfMemory, and InvalidVectors if the model
        makes something of a text that is not finite.
        """
        return self._embed("document", texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors of texts as queries; otherwise as `embed_documents`."""
        return self._embed("query", texts)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text, as a document, whether only its beginning is read.

        The count is exact, by the model's own tokenizer; shape (len(texts),).
        """
        return self._reader.truncated(texts)

    def close(self) -> None:
        """End the processes of the pool, if there is one; twice is harmless."""
        if self._pool is not None:
            self._pool.close()

    def _embed(self, role: Role, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        lengths = lengths_of(texts)
        order = longest_first(lengths)
        # So many texts are held twice at once, however many there are.
        window = self._batches.most * _PIECE
        if self._pool is not None and len(texts) > self._batches.most:
            places = [order[first : first + window] for first in range(0, len(order), window)]
            pieces: list[list[str]] = [[texts[int(i)] for i in place] for place in places]
            for place, part in zip(places, self._pool.embed(role, pieces), strict=True):
                vectors[place] = part
            return vectors
        for first in range(0, len(order), window):
            place = order[first : first + window]
            vectors[place] = self._run(role, [texts[int(i)] for i in place], lengths[place])
        return vectors

    def _run(self, role: Role, texts: list[str], lengths: Lengths) -> Vectors:
        """Return the vectors of texts that come longest first."""
        prompt = self._shape.prompts[role]
        task = task_of(self._loaded.names, role)
        model: Any = self.model

        def batch(some: list[str]) -> Vectors:
            if empty := set(self._reader.empty(some, prompt)):
                rows = np.tile(self._nothing, (len(some), 1))
                rest = [i for i in range(len(some)) if i not in empty]
                if rest:
                    rows[rest] = batch([some[i] for i in rest])
                return rows
            with self._lock:
                raw = model.encode(
                    some,
                    prompt=prompt,
                    task=task,
                    batch_size=len(some),
                    show_progress_bar=False,
                    convert_to_numpy=True,
                )
            return self._unit_rows(np.asarray(raw, dtype=np.float32), some)

        return self._batches.run(self._reader.beginnings(texts), lengths, batch)

    def _unit_rows(self, raw: Vectors, texts: list[str]) -> Vectors:
        rows = np.ascontiguousarray(raw[:, : self.dimension])
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        if not np.isfinite(lengths).all():
            text = texts[int(np.flatnonzero(~np.isfinite(lengths[:, 0]))[0])]
            raise InvalidVectors(
                f"{self._loaded.name} makes a vector that is not finite of {text[:60]!r}"
                f" ({self.runtime}); fp16 has too small a range for some models: use"
                ' precision = "bf16" or "fp32"'
            )
        nothing = lengths[:, 0] < 1e-12
        if nothing.any():
            rows[nothing] = self._nothing
            lengths[nothing] = 1
        return (rows / lengths).astype(np.float32)


def _shape(loaded: Loaded, settings: SentenceTransformersSettings) -> Shape:
    own = folders.prompts(loaded.folder) if loaded.folder else folders.Own({}, None)
    prompts = prompts_of(loaded.names, own.prompts, own.default, settings.prompts)
    # A copy that is saved, after training perhaps, goes on reading what it reads here.
    loaded.model.prompts = {**loaded.model.prompts, **prompts}
    limit = read_limit(loaded.model, settings.model, settings.max_tokens)
    check_room(loaded.model, settings.model, prompts, limit)
    dimension = _dimension(loaded)
    if settings.truncate_dim is not None and settings.truncate_dim > dimension:
        raise SettingsError(
            f"truncate_dim = {settings.truncate_dim} is more than the {dimension} dimensions of"
            f" {settings.model}; set a smaller one, or leave it out"
        )
    return Shape(settings.truncate_dim or dimension, limit, prompts)


def _dimension(loaded: Loaded) -> int:
    """Return the length of the model's vectors; it is measured, because models may not know."""
    made = np.asarray(loaded.model.encode([PROBES[0]], show_progress_bar=False))
    if made.ndim != 2 or not np.issubdtype(made.dtype, np.floating):
        raise SettingsError(
            f"{loaded.name} makes no vector of a text, but {made.dtype} of shape {made.shape};"
            " choose a model for sentence similarity"
        )
    return made.shape[1]


def _accelerated(loaded: Loaded, settings: SentenceTransformersSettings) -> str:
    """Replace the model's forward pass if the settings ask for it; return what was picked."""
    if settings.precision in ("fp32", "auto", "int8"):
        loaded.model.float()  # folders may hold weights of 16 bits
    if (settings.backend, settings.precision) == ("torch", "fp32"):
        return "torch, fp32"
    from xlingual_adapters.embedders.sentence_transformers.runtimes import accelerate

    done = accelerate(
        loaded.model,
        backend=settings.backend,
        precision=settings.precision,
        folder=settings.exported,
        min_cosine=settings.min_cosine,
    )
    return done.summary


def _workers(
    settings: SentenceTransformersSettings, loaded: Loaded
) -> list[SentenceTransformersSettings]:
    """Return the settings of each process: the same files, and its share of the devices."""
    import torch

    devices = [settings.device or str(loaded.model.device)]
    if settings.device is None and torch.cuda.is_available():
        devices = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    given: dict[str, Any] = {"processes": 1}
    if loaded.folder is not None and folders.snapshot(loaded.folder):
        given |= {"model": str(loaded.folder), "revision": None, "offline": True}
    return [
        settings.model_copy(update={**given, "device": devices[i % len(devices)]})
        for i in range(settings.processes)
    ]


def _direction(dimension: int) -> Vectors:
    """Return a unit vector whose numbers take turns in sign: near to no text's in particular."""
    signs = np.where(np.arange(dimension) % 2 == 0, 1.0, -1.0)
    return (signs / np.sqrt(dimension)).astype(np.float32)
