"""Folders that LangChain's FAISS wrote, read without LangChain and without running pickles."""

from xlingual_adapters.stores.langchain_faiss.settings import LangchainFaissSettings
from xlingual_adapters.stores.langchain_faiss.store import LangchainFaissStore
from xlingual_qdrant.ports import StorePlugin

__all__ = ["LangchainFaissSettings", "LangchainFaissStore", "plugin"]

plugin = StorePlugin(
    settings=LangchainFaissSettings,
    open=LangchainFaissStore,
    summary="a folder that LangChain's FAISS.save_local wrote; only for reading",
)
