"""SRC and DST: a store and a collection in it, as a word on the command line."""

from __future__ import annotations

import re
from contextlib import ExitStack
from inspect import cleandoc
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from xlingual_qdrant.cli.options import Options
    from xlingual_qdrant.ports import Store

_FORMS = """
\b
SRC and DST are each one of
  STORE              a store of the settings, such as local
  STORE/COLLECTION   a collection of it
  KIND:PLACE         any store, such as faiss:backup or qdrant:http://localhost:6333

The collection has the same name in DST unless one is given there.
"""
_HOST_AND_PORT = re.compile(r"(//.*|[A-Za-z0-9.-]+:[0-9]+)")


def explained(text: str) -> str:
    """Return the help of a command, with the forms of SRC and DST behind it."""
    return f"{cleandoc(text)}\n{_FORMS}"


class Address(NamedTuple):
    """An open store, and the name of a collection; "" if none was given."""

    store: Store
    collection: str


def opened(source: str, target: str, options: Options, stack: ExitStack) -> tuple[Address, Address]:
    """Open the stores of two addresses, once if it is one store; closed with the stack.

    Raises UsageError, UnknownName, SettingsError, StoreError.
    """
    from xlingual_qdrant.errors import UsageError
    from xlingual_qdrant.settings import load_store

    if options.store is not None:
        raise UsageError("SRC and DST name the stores; leave out --store")
    stores: dict[str, Store] = {}

    def address(given: str) -> Address:
        place, collection = _parted(given)
        if place not in stores:
            kind, colon, where = place.partition(":")
            key = "url" if "://" in where else "path"
            section = {"kind": kind, key: where} if colon else place
            stores[place] = load_store(section, settings=options.settings())
            stack.callback(stores[place].close)
        return Address(stores[place], collection)

    return address(source), address(target)


def _parted(given: str) -> tuple[str, str]:
    """Return the store and the collection of an address, either as it was given."""
    from xlingual_qdrant.errors import UsageError

    kind, colon, place = given.partition(":")
    if not colon:
        store, _, collection = given.partition("/")
        return store, collection
    if not place:
        raise UsageError(f"'{given}' names no place; use such as {kind}:folder")
    if _HOST_AND_PORT.fullmatch(place):
        hint = f"{kind}:http://{place.removeprefix('//')}"
        raise UsageError(f"'{given}' is no folder and no address; did you mean '{hint}'?")
    return given, ""


def source_name(address: Address, options: Options) -> str:
    """Return the collection that is read: as named, or the only one there is."""
    if address.collection or options.collection:
        return address.collection or str(options.collection)
    name = options.settings().collection
    known = address.store.list()
    return known[0] if len(known) == 1 else name
