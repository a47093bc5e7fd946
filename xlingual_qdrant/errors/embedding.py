"""What goes wrong where texts become vectors."""

from __future__ import annotations

from xlingual_qdrant.errors.inputs import InvalidInput
from xlingual_qdrant.errors.root import XlingualError


class EmbedderUnavailable(XlingualError):
    """The server that embeds cannot be reached, refuses, or answers what nobody can use."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where, self.detail = where, detail

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


class TextTooLong(InvalidInput):
    """The server refuses a text for its length.

    text: its number among those given, from 0, and its beginning; characters: as sent;
    detail: the server's words; limit: max_tokens in force.
    """

    def __init__(
        self, where: str, text: str, characters: int, detail: str, limit: int | None
    ) -> None:
        super().__init__(where, text, characters, detail, limit)
        self.where, self.text, self.characters = where, text, characters
        self.detail, self.limit = detail, limit

    def __str__(self) -> str:
        remedy = (
            "set max_tokens of the embedder to what the model reads"
            if self.limit is None
            else f"max_tokens is {self.limit} and can only be estimated here: lower it"
        )
        return (
            f"{self.where} refuses {self.text}, of {self.characters:,} characters as sent, for its"
            f" length ({self.detail}); {remedy}, then long texts are cut there and counted, or"
            ' divided with long_texts = "chunk"'
        )
