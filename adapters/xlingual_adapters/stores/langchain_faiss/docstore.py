"""`index.pkl`: the documents of a LangChain FAISS folder, and which vector belongs to which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from xlingual_adapters.stores.langchain_faiss import values
from xlingual_adapters.stores.langchain_faiss.pickled import Made, read_pickle
from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.errors import InvalidDocument, UnknownLanguage, UnreadableFile
from xlingual_qdrant.languages import canonical
from xlingual_qdrant.validation import check_id, check_text

_DOCSTORES = frozenset({
    "langchain.docstore.in_memory.InMemoryDocstore",
    "langchain_classic.docstore.in_memory.InMemoryDocstore",
    "langchain_community.docstore.in_memory.InMemoryDocstore",
})  # fmt: skip
_DOCUMENTS = frozenset({
    "langchain.docstore.document.Document",
    "langchain.schema.Document",
    "langchain.schema.document.Document",
    "langchain_classic.docstore.document.Document",
    "langchain_community.docstore.document.Document",
    "langchain_core.documents.Document",
    "langchain_core.documents.base.Document",
})  # fmt: skip
"""The class has moved between releases; its fields have stayed."""

_LANG_FIELDS = ("lang", "language")
_VALUES_PER_BYTE = 20
"""A metadata object that all chunks of a text share takes a few bytes each time."""
_FEWEST_VALUES = 1_000_000
_EXAMPLES = 5


@dataclass(slots=True)
class Leftovers:
    """What is not taken over, and what is not as it was: counts by reason, and some ids."""

    reasons: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    changed: Counter[str] = field(default_factory=Counter[str])
    unknown_languages: Counter[str] = field(default_factory=Counter[str])

    def leave_out(self, reason: str, what: str) -> None:
        """Count something that is left out. what: an id or a position."""
        self.reasons[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < _EXAMPLES:
            kept.append(what)


def read_documents(
    file: Path, lang_field: str | None, positions: Collection[int], leftovers: Leftovers
) -> Iterator[tuple[int, Document]]:
    """Yield the position of a vector, and its document, for all that can be taken over.

    lang_field: the metadata that tells the language; None: `lang`, else `language`.
    positions: of the vectors that there are. Raises ForeignName, UnreadableFile.
    """
    docstore, places = _parts(file)
    budget = max(_FEWEST_VALUES, _VALUES_PER_BYTE * file.stat().st_size)
    converter = values.Converter(budget, leftovers.changed)
    taken: set[str] = set()
    for position in sorted(places):
        key = places[position]
        made = docstore.get(key)
        if made is None or position not in positions:
            reason = "there is no document" if made is None else "there is no vector"
            leftovers.leave_out(reason, _shown(key))
            continue
        try:
            document = _document(key, made, lang_field, converter, leftovers)
        except InvalidDocument as exc:
            leftovers.leave_out(exc.reason, f"{_shown(key)}: {exc.detail}")
            continue
        if document.id in taken:
            leftovers.leave_out("the id is there before", _shown(key))
            continue
        taken.add(document.id)
        yield position, document
    for key in docstore.keys() - set(places.values()):
        leftovers.leave_out("there is no vector", _shown(key))
    for position in sorted(set(positions) - places.keys()):
        leftovers.leave_out("there is no document", f"vector {position}")


def _parts(file: Path) -> tuple[dict[object, object], dict[int, object]]:
    """Return the documents by their keys, and the keys by position."""
    root = read_pickle(file, _DOCSTORES | _DOCUMENTS | values.KNOWN)
    docstore, places = cast("tuple[object, ...]", root) if _is_pair(root) else (None, None)
    if isinstance(docstore, Made) and docstore.name in _DOCSTORES:
        state = cast(
            "dict[str, object]", docstore.state if isinstance(docstore.state, dict) else {}
        )
        documents = state.get("_dict")
        if isinstance(documents, dict) and isinstance(places, dict):
            keys = cast("dict[int, object]", places)
            if all(type(at) is int and type(id) in (str, int) for at, id in keys.items()):
                return cast("dict[object, object]", documents), keys
    raise UnreadableFile(
        str(file),
        "format",
        "it does not hold what FAISS.save_local of LangChain writes: an InMemoryDocstore and the"
        " ids of the vectors",
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(cast("tuple[object, ...]", value)) == 2


def _shown(key: object) -> str:
    return key[:200] if isinstance(key, str) else f"a {type(key).__name__}"


def _document(
    key: object,
    made: object,
    lang_field: str | None,
    converter: values.Converter,
    leftovers: Leftovers,
) -> Document:
    if (
        not isinstance(made, Made)
        or made.name not in _DOCUMENTS
        or not isinstance(made.state, dict)
    ):
        raise InvalidDocument("type", "it is no document of LangChain")
    state = cast("dict[str, object]", made.state)
    # Pydantic keeps the fields one level down, in both of its generations.
    inner = state.get("__dict__", state)
    if not isinstance(inner, dict):
        raise InvalidDocument("type", "its fields cannot be read")
    fields = cast("dict[str, object]", inner)
    text = check_text(fields.get("page_content"))
    id = check_id(key)
    metadata = converter.metadata(fields.get("metadata"))
    given = _given_lang(metadata, lang_field)
    try:
        lang = canonical(given) if isinstance(given, str) and given.strip() else "und"
    except UnknownLanguage:
        lang = "und"
    if lang == "und" and given not in (None, "und"):
        # The metadata keeps it: `language = "python"` is no language, but worth keeping.
        leftovers.unknown_languages[str(given)[:60]] += 1
    return Document(text, id, lang, metadata)


def _given_lang(metadata: Mapping[str, JsonValue], lang_field: str | None) -> JsonValue:
    """Return what the metadata says of the language; None if it says nothing."""
    names = _LANG_FIELDS if lang_field is None else (lang_field,)
    return next((metadata[name] for name in names if metadata.get(name) not in (None, "")), None)
