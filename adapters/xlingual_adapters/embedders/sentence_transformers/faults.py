"""What goes wrong with models, in words; the vendor's errors stop here.

sentence-transformers, transformers and the hub's client each have errors of their own, one
inside the other. What they mean is found by walking down that chain.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pickle import UnpicklingError
from typing import Any

from xlingual_qdrant.errors import (
    EmbedderUnavailable,
    InvalidInput,
    SettingsError,
    UnreadableFile,
    XlingualError,
    XlingualWarning,
)


class ModelUnreachable(EmbedderUnavailable, ConnectionError):
    """A model is not on this machine, and the hub does not answer. name: of the model."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name, detail)
        self.name = name

    def __str__(self) -> str:
        return (
            f"model '{self.name}' is not in the cache of this machine, and the Hugging Face hub"
            f" cannot be reached ({self.detail}); connect to the network, or download it on"
            f" another machine (hf download {self.name} --local-dir FOLDER) and give the"
            " folder as the model"
        )


class OutOfMemory(InvalidInput, MemoryError):
    """One text alone is more than the memory takes. characters: its length; text: its start."""

    def __init__(self, text: str, characters: int, device: str) -> None:
        super().__init__(text, characters, device)
        self.text, self.characters, self.device = text, characters, device

    def __str__(self) -> str:
        return (
            f"out of memory on {self.device} with a single text of {self.characters:,} characters,"
            f' {self.text[:40]!r}...; set a smaller max_tokens, precision = "bf16", or'
            ' device = "cpu", or divide the text'
        )


class BatchReduced(XlingualWarning):
    """The memory did not suffice for a batch; the work goes on with smaller ones."""


LOADING_ERRORS = (
    OSError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    ImportError,
    UnpicklingError,
)
"""What loading a model may raise; `errors_of_loading` has those that need an import."""


def errors_of_loading() -> tuple[type[Exception], ...]:
    """Return the errors that loading a model may raise."""
    from huggingface_hub import errors
    from safetensors import SafetensorError

    # The HTTP client's own errors, whichever client this version of the hub's library uses.
    of_http = errors.HfHubHTTPError.__bases__
    return (*LOADING_ERRORS, *of_http, SafetensorError, errors.EntryNotFoundError)


def translated(exc: BaseException, name: str, revision: str | None) -> XlingualError:
    """Return what an error that was raised while a model was loaded means for its user."""
    from huggingface_hub import errors
    from safetensors import SafetensorError

    chain = list(_chain(exc))

    def met(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    said = " ".join(str(link) for link in chain)
    if met(errors.GatedRepoError):
        return SettingsError(
            f"model '{name}' is gated: accept its conditions at https://huggingface.co/{name},"
            " and set HF_TOKEN to a token of that account"
        )
    if met(errors.RevisionNotFoundError):
        return no_revision(name, revision)
    if met(errors.RepositoryNotFoundError):
        return SettingsError(
            f"the Hugging Face hub has no model '{name}', or it is private;"
            " correct the name, or set HF_TOKEN to a token that may read it"
        )
    if "trust_remote_code" in said:
        return SettingsError(
            f"model '{name}' brings program code of its own, which would run with your rights;"
            " read it first, pin its revision, and set trust_remote_code = true"
        )
    if met(ConnectionError, TimeoutError, errors.LocalEntryNotFoundError) or _is_transport(chain):
        return ModelUnreachable(name, _last_words(chain))
    if met(json.JSONDecodeError, SafetensorError, UnpicklingError, EOFError):
        return UnreadableFile(name, "format", f"the model is damaged: {_last_words(chain)}")
    if met(ImportError):
        return SettingsError(
            f"model '{name}' needs something that is not installed: {_last_words(chain)}"
        )
    return UnreadableFile(name, "format", f"the model cannot be loaded: {_last_words(chain)}")


def no_revision(name: str, revision: str | None, known: str = "") -> SettingsError:
    """Return the error for a revision that is not there. known: those that are, in words."""
    return SettingsError(
        f"model '{name}' has no revision '{revision or 'main'}'{known};"
        " name a commit, a tag or a branch of it"
    )


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _is_transport(chain: list[BaseException]) -> bool:
    """Whether the HTTP client failed; which one it is depends on the hub's client's version."""
    kinds = {kind.__name__ for link in chain for kind in type(link).__mro__}
    return bool(kinds & {"TransportError", "RevisionResolutionError"})


def _last_words(chain: list[BaseException]) -> str:
    """Return the first line of the innermost error that says something; never a token."""
    said = [str(link).strip().splitlines()[0] for link in chain if str(link).strip()]
    words = said[-1] if said else type(chain[-1]).__name__
    return re.sub(r"hf_\w+|Bearer \S+", "***", words)[:300].rstrip(".")


_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|cannot allocate memory"
    r"|failed to allocate|bad[ _]alloc|_ALLOC_FAILED",
    re.IGNORECASE,
)


def allocation_errors() -> tuple[type[Exception], ...]:
    """Return the errors by which the runtimes that are loaded say that memory ran out."""
    # onnxruntime's errors have no base of their own; without it being loaded none can come.
    onnx: Any = sys.modules.get("onnxruntime.capi.onnxruntime_pybind11_state")
    known = [getattr(onnx, name, None) for name in ("Fail", "RuntimeException", "EPFail")]
    return (MemoryError, RuntimeError, *(kind for kind in known if kind is not None))


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether memory ran out, of a device or of the machine."""
    return isinstance(exc, MemoryError) or _NO_MEMORY.search(str(exc)) is not None
