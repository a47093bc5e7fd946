"""What the guards look at in one text, read once however many texts it is compared with."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xlingual_qdrant.queries.duplicates.guards.lexicon import Lexicon, lexicon
from xlingual_qdrant.queries.duplicates.guards.numbers import Amount, month_amount, read_amounts
from xlingual_qdrant.queries.duplicates.guards.places import places_of
from xlingual_qdrant.queries.duplicates.guards.spelling import folded, tokens

_BEFORE_SUBJECT = (
    "re aw antw fw fwd wg sv vs vl tr rv res enc rif r i odp pd atb ynt ilt bls trs ha på doorst"
    " haut σχετ πρθ отв ответ відп пересл رد השב הועבר 回复 回覆 答复 答覆 转发 轉寄 返信 転送 회신"
    " 답장 전달 ตอบกลับ ส่งต่อ balas teruskan उत्तर जवाब بازگشت جواب பதில் jibu vá válasz továbbítás"
    " răspuns απ forward reply"
)
_PREFIX = re.compile(
    rf"^\s*+(?:(?:{'|'.join(folded(_BEFORE_SUBJECT, '').split())})"
    r"\s*+(?:\[\d+\]\s*+|\(\d+\)\s*+)?:\s*+)+"
)
"""What mail programs put before a subject, in the languages they speak."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A text as the guards see it.

    words: folded, in order, without what is a number, a date or a month; in scripts without
    spaces, characters. amounts: numbers, dates, times and months. negations: the words or parts
    of words that negate. places: codes of the countries that are named.
    """

    lexicon: Lexicon
    words: list[str]
    amounts: list[Amount]
    negations: tuple[str, ...]
    places: frozenset[str]

    @property
    def numbers_key(self) -> int:
        """A number that is another for texts that count something else; 0 if that is not plain.

        It is plain if all amounts have one meaning only, and none is a date, which another text
        may spell out.
        """
        values: list[str] = []
        for amount in self.amounts:
            if amount.style or len(amount.values) != 1:
                return 0
            (value,) = amount.values
            if value[0] == "date":
                return 0
            values.append(repr(value))
        return hash(tuple(sorted(values))) or 1


def profile_of(text: str, lang: str) -> Profile:
    """Read a text. lang: its tag; `und` and languages without a table are read, too."""
    known = lexicon(lang.partition("-")[0])
    plain = _PREFIX.sub("", folded(text, known.lang))
    amounts, left = read_amounts(plain)
    words: list[str] = []
    for word in tokens(left, known.lang):
        month = known.month(word, with_numbers=bool(amounts)) if known.months else None
        if month is None:
            words.append(word)
        else:
            amounts.append(month_amount(word, month))
    return Profile(
        known,
        words,
        amounts,
        _negations(plain, words, known),
        places_of(words, left, known.lang),
    )


def _negations(plain: str, words: list[str], known: Lexicon) -> tuple[str, ...]:
    alone = [word for word in words if word in known.negation]
    if known.lang == "fr" and not alone:
        # Beside "pas" or "jamais", "ne" adds nothing, and in speech it is left out.
        return tuple(word for word in words if word in ("ne", "n"))
    if not known.negation_parts:
        return tuple(alone)
    for harmless in known.seem_negated:
        plain = plain.replace(harmless, " ")
    in_parts = [part for part in known.negation_parts for _ in range(plain.count(part))]
    return (*alone, *in_parts)
