"""Texts that were damaged before they came here: how they are recognised, and mended.

Nothing is altered unless it is asked for: code, logs and tutorials hold escapes on purpose.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias
from unicodedata import normalize

from xlingual_qdrant.errors import MissingExtra

Ailment: TypeAlias = Literal["mojibake", "escaped"]
"""mojibake: UTF-8 that was read as another encoding ("cafÃ©"). escaped: characters that were
written as their codes ("caf\\u00e9", "b'caf\\xc3\\xa9'", "caf&eacute;")."""


def _as_windows_1252(byte: int) -> str:
    """Return the character, as lenient decoders do where the encoding has none."""
    return bytes([byte]).decode("cp1252" if byte not in (129, 141, 143, 144, 157) else "latin-1")


_BYTE_OF = {_as_windows_1252(byte): byte for byte in range(0x80, 0x100)} | {
    chr(byte): byte for byte in range(0x80, 0xA0)
}
_TAIL = "".join(char for char, byte in _BYTE_OF.items() if byte < 0xC0)
_SEQUENCE = re.compile(
    f"[\xc2-\xdf][{re.escape(_TAIL)}]|[\xe0-\xef][{re.escape(_TAIL)}]{{2}}"
    f"|[\xf0-\xf4][{re.escape(_TAIL)}]{{3}}"
)
# How such a sequence begins in UTF-8, and nearly no sound text: looked for in every text.
_HINT = re.compile(b"\xc3[\x82-\xb4][\xc2\xc5\xc6\xcb\xe2]")
# Punctuation and spaces follow accented letters in sound texts, too: "déjà »", „Ä“.
_INNOCENT_TAIL = frozenset("\xa0\xab\xbb‘’‚“”„‹›–—…•·")
# What one accented letter, or one curly quote, becomes: proof enough when it comes alone.
_TELLING = re.compile(
    "\xc3[\xa1-\xaa\xac-\xba\xbc-\xbf]|\xe2€[\x9d\u2122\u0153\u02dc\u201c\u201d\xa6\xa2]|\xf0\u0178"
)

_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{4}|\\U000[0-9a-fA-F]{5}|\\x[89a-fA-F][0-9a-fA-F]")
_ENTITY = re.compile(r"&(?:#[0-9]{2,7}|#x[0-9a-fA-F]{2,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def ailment(text: str) -> Ailment | None:
    """Return what is probably wrong with a text; None for nearly every sound one.

    It is a hint for people, not proof: a text about encodings is sound and looks ill.
    """
    if _HINT.search(text.encode(errors="surrogatepass")) and _is_mojibake(text):
        return "mojibake"
    if "\\" in text and _ESCAPE.search(text):
        return "escaped"
    if "&" in text and any(not html.unescape(code).isascii() for code in _ENTITY.findall(text)):
        return "escaped"
    return None


def ailments(texts: Iterable[str]) -> Counter[Ailment]:
    """Return how many of the texts have each ailment."""
    return Counter(found for text in texts if (found := ailment(text)) is not None)


def _is_mojibake(text: str) -> bool:
    sequences = [each.group() for each in _SEQUENCE.finditer(text)]
    if not sequences:
        return False
    if any(_TELLING.match(sequence) for sequence in sequences):
        return True
    suspicious = [each for each in sequences if _INNOCENT_TAIL.isdisjoint(each[1:])]
    return len(suspicious) >= 2 and any(_decodes(each) for each in suspicious)


def _decodes(sequence: str) -> bool:
    try:
        bytes(_BYTE_OF.get(char, ord(char)) for char in sequence).decode()
    except UnicodeDecodeError:
        return False
    return True


def mended(text: str) -> str:
    """Return a text with mojibake, HTML entities and escapes undone, by the package ftfy.

    Only a text with an ailment is touched, and nothing else in it: quotes, ligatures, wide
    letters and line ends stay. Raises MissingExtra without ftfy.
    """
    try:
        import ftfy
    except ModuleNotFoundError as exc:
        raise MissingExtra("mending texts", "ftfy", "xlingual-qdrant[repair]") from exc
    damage_only = ftfy.TextFixerConfig(
        fix_character_width=False,
        fix_latin_ligatures=False,
        fix_line_breaks=False,
        normalization=None,
        remove_control_chars=False,
        remove_terminal_escapes=False,
        uncurl_quotes=False,
    )
    match ailment(text):
        case None:
            return text
        case "mojibake":
            return ftfy.fix_text(text, damage_only)
        case "escaped":
            return ftfy.fix_text(_unescaped(html.unescape(text)), damage_only)


def _unescaped(text: str) -> str:
    """Return a text with its codes as characters; as it is where they make no sense."""
    as_bytes = re.fullmatch(r"b(['\"])(.*)\1", text, re.DOTALL)
    body = as_bytes.group(2) if as_bytes else text

    def characters(found: re.Match[str]) -> str:
        # A surrogate pair comes as two codes, so neighbours are undone together.
        codes = [int(code, 16) for code in re.findall(r"\\[uUx]([0-9a-fA-F]+)", found.group())]
        if all(code < 0x100 for code in codes) and "\\x" in found.group():
            joined = bytes(codes).decode("utf-8", "surrogateescape")
        else:
            raw = b"".join(chr(code).encode("utf-16-le", "surrogatepass") for code in codes)
            joined = raw.decode("utf-16-le", "surrogatepass")
        return found.group() if _has_surrogate(joined) else joined

    return re.sub(f"(?:{_ESCAPE.pattern})+", characters, body)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def composed(texts: Sequence[str]) -> list[str]:
    """Return the texts in the Unicode normal form C, as tokenizers were trained to read them.

    A letter with its accent as one code point or as two is the same letter, but not the same
    token (Unicode Standard Annex 15).
    """
    return [text if text.isascii() else normalize("NFC", text) for text in texts]
