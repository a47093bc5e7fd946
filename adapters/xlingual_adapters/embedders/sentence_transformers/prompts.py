"""What some models want to read before a text, and whether before queries or documents.

A forgotten prefix costs points in silence, and so does a wrong one. What the settings say
counts first, then what the model's own folder says, then this table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, TypeAlias

Role: TypeAlias = Literal["query", "document"]

ROLES: tuple[Role, ...] = ("query", "document")

_NAMES: dict[Role, tuple[str, ...]] = {
    "query": ("query", "queries", "search_query", "retrieval.query", "s2p_query"),
    "document": (
        "document",
        "passage",
        "corpus",
        "search_document",
        "retrieval.passage",
        "retrieval.document",
    ),
}
"""How folders call the prompts of a role; the first one there is taken."""

_WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_REPRESENT = "Represent this sentence for searching relevant passages: "


class Known(NamedTuple):
    """The prompts of a family of models. pattern: searched for in the name, in lower case."""

    pattern: str
    query: str
    document: str = ""


TABLE: tuple[Known, ...] = (
    # https://huggingface.co/intfloat/multilingual-e5-large-instruct, .../e5-mistral-7b-instruct
    Known(r"\be5-.*instruct", f"Instruct: {_WEB_SEARCH}\nQuery: "),
    # https://huggingface.co/intfloat/multilingual-e5-small: "Each input text should start with"
    Known(r"\be5-(small|base|large)", "query: ", "passage: "),
    # https://huggingface.co/BAAI/bge-small-en-v1.5, section "Model List"; bge-m3 has none
    Known(r"\bbge-(small|base|large)-en\b", _REPRESENT),
    Known(r"\bbge-(small|base|large)-zh\b", "为这个句子生成表示以用于检索相关文章："),
    # https://huggingface.co/BAAI/bge-multilingual-gemma2
    Known(r"\bbge-multilingual-gemma2", f"<instruct>{_WEB_SEARCH}.\n<query>"),
    # https://huggingface.co/Qwen/Qwen3-Embedding-0.6B, config_sentence_transformers.json
    Known(r"\bqwen3-embedding", f"Instruct: {_WEB_SEARCH}\nQuery:"),
    # https://huggingface.co/Alibaba-NLP/gte-Qwen2-7B-instruct; gte-multilingual-base has none
    Known(r"\bgte-qwen\d.*instruct", f"Instruct: {_WEB_SEARCH}\nQuery: "),
    # https://huggingface.co/google/embeddinggemma-300m, section "Prompt Instructions"
    Known(r"\bembeddinggemma", "task: search result | query: ", "title: none | text: "),
    # https://huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0, then the first generation
    Known(r"\barctic-embed-.*v2", "query: "),
    Known(r"\barctic-embed\b", _REPRESENT),
    # https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1
    Known(r"\bmxbai-embed-large\b", _REPRESENT),
    # https://huggingface.co/nomic-ai/nomic-embed-text-v1.5, section "Usage"
    Known(r"\bnomic-embed-text", "search_query: ", "search_document: "),
    # https://huggingface.co/jinaai/jina-embeddings-v3, custom_st.py; version 2 has none
    Known(
        r"\bjina-embeddings-v3",
        "Represent the query for retrieving evidence documents: ",
        "Represent the document for retrieval: ",
    ),
)


def prompts_of(
    names: Iterable[str],
    own: Mapping[str, str],
    default: str | None,
    given: Mapping[Role, str],
) -> dict[Role, str]:
    """Return the prompt of each role, "" for none.

    names: what the model may be called, the surest first. own, default: `prompts` and
    `default_prompt_name` of its folder, whose empty ones say nothing: sentence-transformers
    writes them when it saves a model that never had any. given: the settings, where "" counts.
    """
    found = _own(own, default) or _known(names)
    return {role: given.get(role, found.get(role, "")) for role in ROLES}


def task_of(names: Iterable[str], role: Role) -> str:
    """Return what a model with several heads calls the task of embedding for a role."""
    if any("jina-embeddings-v3" in name.lower() for name in names):
        return {"query": "retrieval.query", "document": "retrieval.passage"}[role]
    return role


def _own(own: Mapping[str, str], default: str | None) -> dict[Role, str]:
    found: dict[Role, str] = {}
    for role in ROLES:
        said = [own[name] for name in _NAMES[role] if own.get(name)]
        if said:
            found[role] = said[0]
    if not found and default and own.get(default):
        # What the model's makers put before every text, whatever its role.
        return dict.fromkeys(ROLES, own[default])
    return found


def _known(names: Iterable[str]) -> dict[Role, str]:
    for name in names:
        for known in TABLE:
            if re.search(known.pattern, name.lower()):
                return {"query": known.query, "document": known.document}
    return {}
