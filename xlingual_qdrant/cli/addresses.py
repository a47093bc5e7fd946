"""SRC and DST: a store and a collection in it, as a word on the command line."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xlingual_qdrant.cli.options import Options
    from xlingual_qdrant.ports import Store

FORMS = """\b
SRC and DST are each one of
  STORE              a store of the settings, such as local
  STORE/COLLECTION   a collection of it
  KIND:PLACE         any store, such as faiss:backup or qdrant:http://localhost:6333"""


class Address(NamedTuple):
    """An open store, and the name of a collection; "" if none was given."""

    store: Store
    collection: str


def opened(address: str, options: Options, stack: ExitStack) -> Address:
    """Open the store of an address; it is closed with the stack.

    Raises UnknownName, SettingsError, StoreError.
    """
    from xlingual_qdrant.settings import load_store

    kind, colon, place = address.partition(":")
    if colon:
        key = "url" if "://" in place else "path"
        store = load_store({"kind": kind, key: place}, settings=options.settings())
        name = ""
    else:
        store_name, _, name = address.partition("/")
        store = load_store(store_name, settings=options.settings())
    stack.callback(store.close)
    return Address(store, name)


def source_name(address: Address, options: Options) -> str:
    """Return the collection that is read: as named, or the only one there is."""
    if address.collection or options.collection:
        return address.collection or str(options.collection)
    name = options.settings().collection
    known = address.store.list()
    return known[0] if len(known) == 1 else name
