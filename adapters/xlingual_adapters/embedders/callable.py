"""A function of yours as an embedder: it takes a list of texts, and returns their vectors.

    CallableEmbedder(encode, name="my-model")

Whatever comes back is checked, because a wrong vector is not seen in a collection: as many
rows as texts, all of one dimension, finite, not zero.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt

from xlingual_qdrant.errors import InvalidVectors, SettingsError, UsageError
from xlingual_qdrant.ports import EmbedderPlugin, Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.validation import check_texts

__all__ = ["CallableEmbedder", "CallableSettings", "plugin"]

BATCH_SIZE = 256
SHORTEST = 1e-12  # a vector below it has lost its direction to rounding
LENGTH_TOLERANCE = 1e-3  # of vectors that are said to have length 1: half precision keeps to it

EmbedFunction: TypeAlias = Callable[[list[str]], Any]
"""Returns an array, or anything that NumPy makes one of, shape (len(texts), dimension)."""
TruncatedFunction: TypeAlias = Callable[[list[str]], Any]
"""Returns for each text whether only a part of it is read."""


class CallableEmbedder:
    """Embeds texts by a function.

    function: takes a list of at most `batch_size` texts; must be safe to call from several
    threads if the embedder is used from several.
    name: of the model, as collections are to remember it; another model needs another name.
    revision: what to remember beside the name, such as a version.
    dimension: length of the vectors; found out by embedding the probe sentences if not given.
    query_function: embeds queries, where the model reads them otherwise than documents.
    max_tokens, truncated: what the model reads of a text, and a function that says of each text
    whether that is only a part; both or none.
    normalize: bring the vectors to length 1; False: they have it, which is checked.
    """

    def __init__(
        self,
        function: EmbedFunction,
        *,
        name: str,
        revision: str = "",
        dimension: int | None = None,
        query_function: EmbedFunction | None = None,
        max_tokens: int | None = None,
        truncated: TruncatedFunction | None = None,
        normalize: bool = True,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        if not name.strip():
            raise UsageError("an embedder needs the name of its model; give name='my-model'")
        if (max_tokens is None) != (truncated is None):
            raise UsageError(
                "max_tokens and truncated belong together: how much of a text is read, and a"
                " function that says which texts are longer; give both or none"
            )
        for what, least in (("dimension", dimension), ("max_tokens", max_tokens)):
            if least is not None and least < 1:
                raise UsageError(f"{what} is {least}; it is 1 at least")
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}; it is 1 at least")
        self.max_tokens = max_tokens
        self._function = function
        self._query_function = query_function or function
        self._truncated = truncated
        self._name, self._revision = name, revision
        self._dimension = dimension
        self._normalize = normalize
        self._batch_size = batch_size

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._probes.shape[1] if self._dimension is None else self._dimension

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What collections remember of this model."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> EmbedderFingerprint:
        return EmbedderFingerprint(
            kind="callable",
            model=self._name,
            revision=self._revision,
            dimension=self.dimension,
            max_tokens=self.max_tokens,
            probes=round_probes(self._probes),
        )

    @cached_property
    def _probes(self) -> Vectors:
        return self._embed(self._function, PROBES, self._dimension)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows.

        Raises InvalidVectors if what the function returns is not that; its own errors pass.
        """
        return self._embed(self._function, texts, self.dimension)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return what `embed_documents` returns, by the function for queries if there is one."""
        return self._embed(self._query_function, texts, self.dimension)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether the model reads only a part, shape (len(texts),)."""
        if self._truncated is None or not len(texts):
            return np.zeros(len(texts), dtype=np.bool_)
        answer = np.asarray(self._truncated(list(texts)))
        if answer.shape != (len(texts),) or answer.dtype != np.bool_:
            raise InvalidVectors(
                f"{_called(self._truncated)} returned {answer.dtype}{list(answer.shape)} for"
                f" {len(texts)} texts; return one bool for each"
            )
        return answer

    def _embed(
        self, function: EmbedFunction, texts: Sequence[str], dimension: int | None
    ) -> Vectors:
        check_texts(texts)
        parts: list[Vectors] = []
        for first in range(0, len(texts), self._batch_size):
            batch = list(texts[first : first + self._batch_size])
            try:
                answer = function(list(batch))
            except Exception as exc:
                exc.add_note(f"{_called(function)}, the function of the embedder, has failed")
                raise
            vectors = _as_rows(answer, function, batch, dimension)
            dimension = vectors.shape[1]
            parts.append(_as_unit_rows(vectors, function, batch, self._normalize))
        if not parts:
            return np.empty((0, dimension or 0), dtype=np.float32)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _as_rows(
    answer: Any, function: EmbedFunction, batch: list[str], dimension: int | None
) -> NDArray[Any]:
    """Return an answer as numbers, shape (len(batch), dimension)."""
    who = _called(function)
    if isinstance(answer, Iterator):
        answer = list(cast("Iterator[Any]", answer))
    try:
        rows = np.asarray(answer)
    except (TypeError, ValueError, RuntimeError) as exc:  # rows of several lengths; a GPU tensor
        raise InvalidVectors(f"{who} returned what is no array: {exc}") from exc
    if rows.dtype.kind not in "fiu":
        raise InvalidVectors(
            f"{who} returned {type(answer).__name__} of {rows.dtype}, not of numbers; return one"
            " vector of floats for each text, all of one length, in the memory of the CPU"
        )
    if rows.ndim != 2 or len(rows) != len(batch) or not rows.shape[1]:
        raise InvalidVectors(
            f"{who} returned the shape {list(rows.shape)} for {len(batch)} texts; return one row"
            f" for each text, shape [{len(batch)}, dimension]"
        )
    if dimension is not None and rows.shape[1] != dimension:
        raise InvalidVectors(
            f"{who} returned vectors of {rows.shape[1]} dimensions, not of {dimension}, for"
            f" {_shown(batch[0])}; all must have one length"
        )
    return rows


def _as_unit_rows(
    rows: NDArray[Any], function: EmbedFunction, batch: list[str], normalize: bool
) -> Vectors:
    """Return rows of length 1; raises InvalidVectors for those that cannot have it."""
    # In 64 bits, so that neither half precision nor large numbers overflow in a sum of squares.
    wide = rows.astype(np.float64)
    with np.errstate(over="ignore"):
        lengths = np.sqrt(np.square(wide).sum(axis=1))
    for fault, wrong in (
        ("a vector that is not finite", ~np.isfinite(lengths)),
        ("a vector of zeros, which has no direction,", ~(lengths > SHORTEST)),
    ):
        if wrong.any():
            raise InvalidVectors(
                f"{_called(function)} returned {fault} for {_shown(batch[int(wrong.argmax())])};"
                " return one that is not, or keep such texts away"
            )
    if not normalize:
        off = np.abs(lengths - 1)
        if off.max() > LENGTH_TOLERANCE:
            worst = int(off.argmax())
            raise InvalidVectors(
                f"{_called(function)} returned a vector of length {lengths[worst]:.4g} for"
                f" {_shown(batch[worst])}; without normalize=False it is brought to length 1"
            )
    return np.ascontiguousarray(wide / lengths[:, None], dtype=np.float32)


def _called(function: Callable[..., Any]) -> str:
    """Return what to call a function in a message."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", None)
    return f"{module}.{name}" if module else str(name)


def _shown(text: str) -> str:
    return f"the text {text[:60]!r}" + ("..." if len(text) > 60 else "")


Name = Annotated[str, Field(min_length=1)]


def _check_path(path: str) -> str:
    if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", path):
        raise ValueError("name a function like 'mypackage.embeddings:embed'")
    return path


FunctionPath = Annotated[str, AfterValidator(_check_path)]
"""`package.module:function`."""


class CallableSettings(BaseModel):
    """Settings of the embedder `callable`; see `CallableEmbedder` for their meaning.

    The modules that they name are imported, which runs their code.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: FunctionPath
    name: Name
    revision: str = ""
    dimension: PositiveInt | None = None
    query_function: FunctionPath | None = None
    max_tokens: PositiveInt | None = None
    truncated: FunctionPath | None = None
    normalize: bool = True
    batch_size: PositiveInt = BATCH_SIZE


def _open(settings: CallableSettings) -> CallableEmbedder:
    return CallableEmbedder(
        _import_function("function", settings.function),
        name=settings.name,
        revision=settings.revision,
        dimension=settings.dimension,
        query_function=_import_optional("query_function", settings.query_function),
        max_tokens=settings.max_tokens,
        truncated=_import_optional("truncated", settings.truncated),
        normalize=settings.normalize,
        batch_size=settings.batch_size,
    )


def _import_optional(setting: str, path: str | None) -> EmbedFunction | None:
    return None if path is None else _import_function(setting, path)


def _import_function(setting: str, path: str) -> EmbedFunction:
    """Return the function of a path such as "package.module:embed"; raises SettingsError."""
    module_name, _, names = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        raise SettingsError(
            f"setting '{setting}' is '{path}', but there is no module '{exc.name}'; install its"
            " package, or put its folder into PYTHONPATH"
        ) from exc
    for name in names.split("."):
        if not hasattr(found, name):
            raise SettingsError(
                f"setting '{setting}' is '{path}', but {module_name} has no '{names}'"
            )
        found = getattr(found, name)
    if not callable(found):
        raise SettingsError(
            f"setting '{setting}' is '{path}', which is no function but {type(found).__name__}"
        )
    return found


plugin = EmbedderPlugin(
    settings=CallableSettings,
    open=_open,
    summary="a Python function of yours that takes texts and returns vectors",
)
