"""What models of fastembed's list want to read before a text.

fastembed puts nothing before texts by itself, and a model that was trained with a prefix finds
less without it, in silence. So it is put here, unless the settings say otherwise.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from xlingual_adapters.embedders.fastembed.settings import Prompts

_WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
_REPRESENT = "Represent this sentence for searching relevant passages: "


class Known(NamedTuple):
    """The prompts of a family. pattern: searched for in the model's name, in lower case."""

    pattern: str
    query: str
    document: str = ""


TABLE: tuple[Known, ...] = (
    # https://huggingface.co/intfloat/multilingual-e5-large: "Each input text should start with"
    Known(r"\be5-(small|base|large)(?!.*instruct)", "query: ", "passage: "),
    Known(r"\be5-.*instruct", f"Instruct: {_WEB_SEARCH}\nQuery: "),
    # https://huggingface.co/BAAI/bge-small-en-v1.5, section "Model List"
    Known(r"\bbge-(small|base|large)-en\b", _REPRESENT),
    Known(r"\bbge-(small|base|large)-zh\b", "为这个句子生成表示以用于检索相关文章："),
    # https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1
    Known(r"\bmxbai-embed-large\b", _REPRESENT),
    # https://huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0, then the first generation
    Known(r"\barctic-embed-.*v2", "query: "),
    Known(r"\barctic-embed\b", _REPRESENT),
    # https://huggingface.co/NovaSearch/stella_en_400M_v5, prompt "s2p_query"
    Known(r"\bstella-en-400m", f"Instruct: {_WEB_SEARCH}.\nQuery: "),
    # https://huggingface.co/nomic-ai/nomic-embed-text-v1.5, section "Usage"
    Known(r"\bnomic-embed-text", "search_query: ", "search_document: "),
    # https://huggingface.co/google/embeddinggemma-300m, section "Prompt Instructions"
    Known(r"\bembeddinggemma", "task: search result | query: ", "title: none | text: "),
    # https://huggingface.co/Qwen/Qwen3-Embedding-0.6B, config_sentence_transformers.json
    Known(r"\bqwen3-embedding", f"Instruct: {_WEB_SEARCH}\nQuery:"),
    # https://huggingface.co/jinaai/jina-embeddings-v3, custom_st.py; the task is fastembed's
    Known(
        r"\bjina-embeddings-v3",
        "Represent the query for retrieving evidence documents: ",
        "Represent the document for retrieval: ",
    ),
)


def prompts_of(model: str, given: Prompts) -> dict[str, str]:
    """Return the prompt of each role that has one; what the settings say counts first."""
    known = next((each for each in TABLE if re.search(each.pattern, model.lower())), Known("", ""))
    both = {
        "query": known.query if given.query is None else given.query,
        "document": known.document if given.document is None else given.document,
    }
    return {role: prompt for role, prompt in both.items() if prompt}
