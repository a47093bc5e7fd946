"""Where a model's forward pass is, and how another one takes its place.

Tokenizer, pooling and what follows stay as they are: only the transformer itself is exchanged,
so that every backend meets the same inputs and its vectors differ by its arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a transformer that reads text takes."""


class Run(Protocol):
    """A forward pass: integers of shape (batch, sequence) by name in, hidden states out."""

    def __call__(self, inputs: Mapping[str, Tensor], /) -> Tensor:
        """Return float32, shape (batch, sequence, size)."""
        ...


class Exchanged(nn.Module):
    """Stands in the place of a transformer and computes elsewhere, on the processor."""

    def __init__(self, run: Run, config: Any) -> None:
        super().__init__()
        self.run = run
        self.config = config

    @property
    def device(self) -> torch.device:
        """Where inputs are expected."""
        return torch.device("cpu")

    def forward(self, **given: Any) -> Any:
        """Return the last hidden state as transformers does."""
        from transformers.modeling_outputs import BaseModelOutput

        hidden = self.run({name: given[name] for name in INPUTS if given.get(name) is not None})
        return BaseModelOutput(last_hidden_state=cast(Any, hidden))


class Lowered(nn.Module):
    """A transformer with weights of 16 bits, whose output is float32 again.

    The mean over a text's tokens, and bringing it to length 1, would lose more in bfloat16
    than all layers together.
    """

    def __init__(self, inner: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = inner.to(dtype)
        self.config: Any = inner.config

    @property
    def device(self) -> torch.device:
        """Where inputs are expected."""
        return next(self.inner.parameters()).device

    def forward(self, **given: Any) -> Any:
        """Return what the transformer does, with the last hidden state in float32."""
        output = self.inner(**given)
        output.last_hidden_state = output.last_hidden_state.float()
        return output


@dataclass(frozen=True, slots=True)
class Place:
    """A transformer within a model.

    holder, attribute: what holds it, under which name. original: as it was loaded.
    examples: what it was given for two texts, by name.
    """

    holder: nn.Module
    attribute: str
    original: nn.Module
    examples: dict[str, Tensor]

    @property
    def config(self) -> Any:
        """The configuration of the transformer."""
        return self.original.config

    @property
    def device(self) -> torch.device:
        """Where the transformer computes."""
        return next(self.original.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the transformer's weights."""
        return next(p.dtype for p in self.original.parameters() if p.is_floating_point())

    def put(self, module: nn.Module) -> None:
        """Make this module the transformer of the model."""
        setattr(self.holder, self.attribute, module)

    @contextmanager
    def holding(self, module: nn.Module) -> Generator[None]:
        """Make this module the transformer for a while."""
        self.put(module)
        try:
            yield
        finally:
            self.put(self.original)


def find(model: SentenceTransformer) -> Place | str:
    """Return the transformer of a model, or why it cannot be exchanged, in words."""
    holder = next(iter(model.children()), None)
    if holder is None:
        return "it has no modules"
    # sentence-transformers renamed it in version 6.
    names = [name for name in ("model", "auto_model") if name in dict(holder.named_children())]
    if not names or not hasattr(getattr(holder, names[0]), "config"):
        return f"its first module is no transformer, but {type(holder).__name__}"
    original: nn.Module = getattr(holder, names[0])
    calls = _calls(model, holder, names[0], original)
    if not calls:
        return f"{type(original).__name__} is not called like a transformer"
    tensors = {name: value for name, value in calls[0].items() if isinstance(value, Tensor)}
    strange = sorted(tensors.keys() - set(INPUTS))
    if strange or "input_ids" not in tensors:
        return f"{type(original).__name__} takes {', '.join(strange) or 'no input_ids'}"
    if calls[0].get("output_hidden_states") or getattr(
        original.config, "output_hidden_states", False
    ):
        return "the hidden states of all its layers are used"
    examples = {name: tensors[name] for name in INPUTS if name in tensors}
    return Place(holder, names[0], original, examples)


class _Noting(nn.Module):
    """Stands before a transformer and notes what it is given."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.config: Any = inner.config
        self.calls: list[dict[str, Any]] = []

    @property
    def device(self) -> torch.device:
        """Where inputs are expected."""
        return next(self.inner.parameters()).device

    def forward(self, **given: Any) -> Any:
        """Return what the transformer does."""
        self.calls.append(given)
        return self.inner(**given)


def _calls(
    model: SentenceTransformer, holder: nn.Module, attribute: str, original: nn.Module
) -> list[dict[str, Any]]:
    """Return what the transformer is given for two texts: its own tokenizer decides."""
    # No hook: sentence-transformers calls `forward` itself, which passes them by.
    noting = _Noting(original)
    setattr(holder, attribute, noting)
    try:
        # Of different lengths: what is traced must not take padding for an exception.
        model.encode(["Where is the station?", "Here."], show_progress_bar=False)
    finally:
        setattr(holder, attribute, original)
    return noting.calls
