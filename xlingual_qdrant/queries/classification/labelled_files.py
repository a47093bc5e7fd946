"""Files of labelled texts, read as an ingestion would read them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UnknownColumn, UsageError
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import checked_format
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.ingest.windows import WindowReader
from xlingual_qdrant.queries.classification.labelled_documents import label_of
from xlingual_qdrant.queries.classification.labels import Label

Source = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts with their labels and languages, side by side; `und` where none was declared."""

    texts: list[str] = field(default_factory=list[str])
    labels: list[Label] = field(default_factory=list[Label])
    langs: list[str] = field(default_factory=list[str])

    def __len__(self) -> int:
        return len(self.texts)


def labelled_texts(
    sources: Source | Sequence[Source],
    *,
    label: str = "label",
    mapping: FieldMapping | None = None,
    format: str | None = None,
    on_reject: Callable[[Rejection], None] | None = None,
) -> LabelledTexts:
    """Return the texts of files that have a label in a field; rows without one are left out.

    on_reject: told of each row that cannot be read. Raises FileUnavailable, UnknownColumn,
    UnreadableFile, and UsageError if no text has a label, or for a label that is none.
    """
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    reader = WindowReader(listed, mapping or FieldMapping(), format=checked_format(format))
    reader.check()
    found = LabelledTexts()
    seen: Document | None = None
    for window in reader.windows():
        if on_reject is not None:
            for rejection in window.rejections:
                on_reject(rejection)
        for document in window.documents:
            seen = seen or document
            if document.metadata.get(label) in (None, ""):
                continue
            found.texts.append(document.text)
            found.labels.append(label_of(document, label))
            found.langs.append(document.lang)
    for outcome in reader.outcomes:
        if outcome.error is not None:
            raise outcome.error
    if found:
        return found
    if seen is not None and label not in seen.metadata:
        file = os.fspath(listed[0])
        if label in reader.columns:
            raise UsageError(
                f"{file}: the column '{label}' is the text, the language or the id of the rows,"
                " and no label; name the column of the labels"
            )
        # Fields inside the metadata object of an export count as columns, too.
        raise UnknownColumn(file, label, list(dict.fromkeys([*reader.columns, *seen.metadata])))
    raise UsageError(f"{os.fspath(listed[0])}: no text has something in the field '{label}'")
