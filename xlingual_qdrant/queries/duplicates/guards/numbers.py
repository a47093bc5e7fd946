"""Numbers, dates and times of a text by their value, however they are written."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

Value = tuple[str | Fraction, ...]
"""A value that can be compared: ("n", 3), ("date", 2024, 3, 5), ("time", 900), ("month", 3)."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it is written, and all that it may mean: `1.234` is 1234 or 1.234.

    style: how a date is written, to tell its day and month as others written alike.
    """

    written: str
    values: frozenset[Value]
    style: str = ""

    def agrees(self, other: Amount) -> bool:
        """Say whether both may mean the same."""
        if self.style and self.style == other.style:
            return self.written == other.written or self._digits() == other._digits()
        return not self.values.isdisjoint(other.values)

    def without_scale(self) -> Amount:
        """Return the amount with no zeros at its end, and no point: 20 million and 2 are alike."""
        values = {_bare(value) for value in self.values}
        return Amount(self.written, frozenset(values))

    def _digits(self) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", self.written)]


_D = "0-9"
_MARK = "[.,'٬]"
_NUMBER = re.compile(
    rf"""
    (?P<date>(?<![{_D}])(?:[{_D}]{{4}}([-/.])[{_D}]{{1,2}}\2[{_D}]{{1,2}}
        |[{_D}]{{1,2}}([-/.])[{_D}]{{1,2}}\3(?:[{_D}]{{4}}|[{_D}]{{2}}))(?![{_D}]|[.,][{_D}]))
    |(?P<cjkdate>[{_D}]{{1,4}}\s*[年월月년日일](?:\s*[{_D}]{{1,2}}\s*[月日월일])*)
    |(?P<time>(?P<hour>[{_D}]{{1,2}})\s?(?:[:h][ ]?|時|时|点|點|시\s?)(?P<minute>[{_D}]{{2}})
        (?::[{_D}]{{2}})?(?![{_D}])[分분]?)
    |(?P<dotted>[{_D}]+(?:\.[{_D}]+){{2,}}(?![{_D}]))
    |(?P<plain>(?:(?<!\w)-)?(?:[{_D}]{{1,3}}(?:[ ][{_D}]{{3}})+(?:[.,][{_D}]+)?(?![{_D}])
        |[{_D}]+(?:{_MARK}[{_D}]+)*))
    |(?P<cjk>[〇零一二三四五六七八九十百千万萬亿億兆两]{{2,}})
    """,
    re.VERBOSE,
)
_PARTS = re.compile(rf"([{_D}]+)([ .,'٬]?)")
_HALF_DAY = re.compile(r"\s*(?:uhr\s*)?(a\.?\s?m\.?|p\.?\s?m\.?)(?![a-z])")
_BEFORE_NOON = re.compile(r"(上午|下午|午前|午後|오전|오후)\s*$")
_CLOSE = 10  # characters before a time that may belong to it
_SCALES = {
    **dict.fromkeys(("万", "萬", "만"), 10**4),
    **dict.fromkeys(("亿", "億", "억"), 10**8),
    **dict.fromkeys(("兆", "조"), 10**12),
    **dict.fromkeys(("million", "millions", "mio", "millionen", "millones", "millón", "millon",
    "milione", "milioni", "milhão", "milhao", "milhões", "milhoes", "miljoen", "miljon",
    "miljoner", "millioner", "milionów", "miliony", "milionu", "milionů", "миллион", "миллиона",
    "миллионов", "млн", "мільйон", "мільйонів", "мільйони", "milyon", "مليون", "ملايين", "میلیون",
    "ملین", "मिलियन", "juta", "triệu", "ล้าน", "백만", "εκατομμύρια", "εκατομμυρια", "מיליון",
    "milioane", "millió", "miljoonaa", "milions", "милиона", "மில்லியன்"), 10**6),
    **dict.fromkeys(("billion", "billions", "milliard", "milliards", "milliarde", "milliarden",
    "mrd", "miliardi", "miljard", "miljarder", "miliard", "miliardów", "миллиард", "миллиарда",
    "миллиардов", "млрд", "мільярд", "мільярдів", "milyar", "مليار", "میلیارد", "miliar",
    "tỷ", "tỉ", "milliárd", "miljardia", "miliarde"), 10**9),
    **dict.fromkeys(("लाख", "لاکھ", "lakh", "lakhs"), 10**5),
    **dict.fromkeys(("करोड़", "کروڑ", "crore", "crores"), 10**7),
}  # fmt: skip
_SCALE = re.compile(
    r"\s*(" + "|".join(sorted(map(re.escape, _SCALES), key=len, reverse=True)) + ")"
)
_CJK = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_CJK_UNITS = {"十": 10, "百": 100, "千": 1000}
_CJK_SCALES = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
_LONGEST = 100
"""Digits of a number that has a value; what is longer is a code, and compared as it is written."""
_UNIT = {**dict.fromkeys("年년", "year"), **dict.fromkeys("月월", "month")}


def read_amounts(plain: str) -> tuple[list[Amount], str]:
    """Return the amounts of a folded text, and the text with none of them left in it."""
    text = _ascii_digits(plain)
    found: list[Amount] = []
    rest: list[str] = []
    at = 0
    for match in _NUMBER.finditer(text):
        amounts, end = _amounts(match, text)
        if not amounts or match.start() < at:
            continue
        found += amounts
        rest += (text[at : match.start()], " ")
        at = end
    rest.append(text[at:])
    return found, "".join(rest)


def month_amount(word: str, number: int) -> Amount:
    """Return a month that is named; it may be a number elsewhere."""
    return Amount(word, frozenset({("month", Fraction(number)), _n(str(number))}))


def _amounts(match: re.Match[str], text: str) -> tuple[list[Amount], int]:
    written, end = match[0], match.end()
    match match.lastgroup:
        case "date":
            return [_date(written)], end
        case "cjkdate":
            return [_cjk_date(written)], end
        case "time":
            amount, end = _time(match, text)
            return [amount], end
        case "dotted":
            grouped = re.fullmatch(r"\d{1,3}(?:\.\d{3})+", written)
            value: Value = _n(written.replace(".", "")) if grouped else ("v", written)
            return [Amount(written, frozenset({value}))], end
        case "cjk":
            number = _cjk_value(written)
            found = [] if number is None else [Amount(written, frozenset({("n", number)}))]
            return found, end
        case _:
            return _plain(written, text, end)


def _plain(written: str, text: str, end: int) -> tuple[list[Amount], int]:
    half = _HALF_DAY.match(text, end)
    if half and written.isdigit() and len(written) <= 2 and int(written) <= 12:
        minutes = (int(written) % 12 + 12 * (half[1][0] == "p")) * 60
        whole = text[end - len(written) : half.end()]
        return [Amount(whole, _of_time(minutes))], half.end()
    values = _readings(written)
    scale = _SCALE.match(text, end)
    if values and scale and (scale[1] in _CJK_SCALES or not text[scale.end() :][:1].isalpha()):
        times = _SCALES[scale[1]]
        values = {("n", value[1] * times) for value in values if isinstance(value[1], Fraction)}
        written, end = text[end - len(written) : scale.end()], scale.end()
    if not values:
        return [Amount(part, frozenset({_n(part)})) for part in re.findall(r"\d+", written)], end
    return [Amount(written, frozenset(values))], end


def _readings(written: str) -> set[Value]:
    """Return what digits with marks between them may mean, here or there; maybe nothing."""
    sign = -1 if written.startswith("-") else 1
    parts = _PARTS.findall(written.lstrip("-"))
    digits = [part for part, _ in parts]
    marks = [mark for _, mark in parts[:-1]]
    if not marks:
        return {_n(digits[0], sign)}
    values: set[Value] = set()
    groups_of_three = all(len(part) == 3 for part in digits[1:]) and len(digits[0]) <= 3
    if groups_of_three and len(set(marks)) == 1:
        values.add(_n("".join(digits), sign))
    indian = all(len(part) == 2 for part in digits[1:-1]) and len(digits[-1]) == 3
    if indian and len(digits) > 2 and set(marks) == {","}:
        values.add(_n("".join(digits), sign))
    decimal = marks[-1] in ".,٫" and (len(marks) == 1 or marks[-1] not in marks[:-1])
    whole_ok = len(digits) == 2 or (
        all(len(part) in (2, 3) for part in digits[1:-1]) and len(set(marks[:-1])) == 1
    )
    if decimal and whole_ok:
        values.add(_n(f"{''.join(digits[:-1])}.{digits[-1]}", sign))
    return values


def _date(written: str) -> Amount:
    mark = next(c for c in written if not c.isdigit())
    first, second, third = (int(part) for part in written.split(mark))
    if len(written.split(mark)[0]) == 4:
        values = {_day(first, second, third)}
        return Amount(written, frozenset(values))
    year = third if third > 99 else 2000 + third if third < 50 else 1900 + third
    values = {_day(year, second, first)} if second <= 12 else set[Value]()
    if first <= 12 and mark != ".":
        values.add(_day(year, first, second))
    return Amount(written, frozenset(values or {("v", written)}), f"date {mark}")


def _day(year: int, month: int, day: int) -> Value:
    return ("date", Fraction(year), Fraction(month), Fraction(day))


def _cjk_date(written: str) -> Amount:
    parts = re.findall(rf"([{_D}]+)\s*(\D)", written)
    named = {_UNIT.get(unit, "day"): int(number) for number, unit in parts}
    if len(named) == 3:
        return Amount(written, frozenset({_day(named["year"], named["month"], named["day"])}))
    if list(named) == ["month"] and named["month"] <= 12:
        return month_amount(written, named["month"])
    if len(named) == 1:
        return Amount(written, frozenset({_n(str(*named.values()))}))
    values: Value = ("day", *(f"{unit} {number}" for unit, number in sorted(named.items())))
    return Amount(written, frozenset({values}))


def _time(match: re.Match[str], text: str) -> tuple[Amount, int]:
    hour, minute, end = int(match["hour"]), int(match["minute"]), match.end()
    if hour > 24 or minute > 59:
        return Amount(match[0], frozenset({("v", *re.findall(r"\d+", match[0]))})), end
    half = _HALF_DAY.match(text, end)
    before = _BEFORE_NOON.search(text[max(0, match.start() - _CLOSE) : match.start()])
    late = (half and half[1][0] == "p") or (before and before[1] in ("下午", "午後", "오후"))
    if half:
        end = half.end()
    if (half or before) and hour <= 12:
        hour = hour % 12 + 12 * bool(late)
    return Amount(match[0], _of_time(hour * 60 + minute)), end


def _of_time(minutes: int) -> frozenset[Value]:
    """Return a time of day, which at a full hour may also be written as the hour alone."""
    values: set[Value] = {("time", Fraction(minutes))}
    if minutes % 60 == 0:
        values.add(("n", Fraction(minutes // 60)))
    return frozenset(values)


def _bare(value: Value) -> Value:
    if value[0] != "n" or not isinstance(value[1], Fraction) or not value[1]:
        return value
    number = abs(value[1])
    while number.denominator > 1:
        number *= 10
    while number % 10 == 0:
        number /= 10
    return ("n", number)


def _n(digits: str, sign: int = 1) -> Value:
    if len(digits) > _LONGEST:
        return ("v", digits)
    return ("n", sign * Fraction(digits))


def _cjk_value(written: str) -> Fraction | None:
    """Return the value of a number in Chinese characters: 三百 is 300; None if it is no number."""
    if len(written) > _LONGEST:
        return None
    if not any(c in _CJK_UNITS or c in _CJK_SCALES for c in written):
        # 二〇二四 is a year; 一一 is more often a word than a number.
        digits = "".join(str(_CJK[c]) for c in written)
        return Fraction(digits) if len(digits) > 2 else None
    total = section = 0
    digit: int | None = None
    for c in written:
        if c in _CJK:
            digit = _CJK[c]
        elif c in _CJK_UNITS:
            section += (1 if digit is None else digit) * _CJK_UNITS[c]
            digit = None
        else:
            if not (section or digit):
                return None  # 万一 is a word
            total = (total + section + (digit or 0)) * _CJK_SCALES[c]
            section, digit = 0, None
    return Fraction(total + section + (digit or 0))


def _ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    return "".join(_ascii_digit(c) for c in text)


@cache
def _ascii_digit(character: str) -> str:
    if character in "٫،":
        return "." if character == "٫" else ","
    if character == "−":
        return "-"
    return (
        str(unicodedata.digit(character)) if unicodedata.category(character) == "Nd" else character
    )
