"""Mined pairs as a translation memory: TMX 1.4b, which translation tools read.

There is no document type: some readers would look for its file beside the memory, and fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from xml.sax.saxutils import escape, quoteattr

from xlingual_qdrant.queries.mining.mining import MinedPair

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write: most control characters, and half characters."""
_REPLACEMENT = "\ufffd"
_HEADER = """\
<?xml version="1.0" encoding="UTF-8"?>
<tmx version="1.4">
<header creationtool="xlingual-qdrant" creationtoolversion={version} segtype="sentence"\
 o-tmf="xlingual-qdrant" adminlang="en" srclang={lang} datatype="plaintext"/>
<body>
"""


def tmx(pairs: Iterable[MinedPair], *, source_lang: str | None = None) -> Iterator[str]:
    """Yield the parts of a file, to be written one after the other in UTF-8.

    source_lang: the language of all source texts; None if there are several. A character that XML
    cannot hold becomes U+FFFD; all others survive, line breaks included.
    """
    lang = "*all*" if source_lang is None else source_lang
    yield _HEADER.format(version=quoteattr(version("xlingual-qdrant")), lang=quoteattr(lang))
    for pair in pairs:
        yield f'<tu>\n<prop type="x-score">{pair.score:.4f}</prop>\n'
        yield f'<prop type="x-probability">{pair.probability:.4f}</prop>\n'
        for document in (pair.source, pair.target):
            yield f"<tuv xml:lang={quoteattr(document.lang)}>"
            yield f'<prop type="x-id">{_text(document.id)}</prop>'
            yield f"<seg>{_text(document.text)}</seg></tuv>\n"
        yield "</tu>\n"
    yield "</body>\n</tmx>\n"


def _text(text: str) -> str:
    # A reader takes a bare carriage return for a line feed.
    return escape(_FORBIDDEN.sub(_REPLACEMENT, text), {"\r": "&#13;"})
