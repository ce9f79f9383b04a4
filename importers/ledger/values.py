"""What people write into the cells of a ledger, as values of the model's kinds.

Every function takes the text of a cell and raises ValueError with what is wrong: "is no date". The
text itself is not repeated, for what stands in a wrong column may be anything.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from importers.ledger.headers import EMPTY

Convert = Callable[[str], Any]

EXCEL_DAYS: Final = range(15_000, 80_000)
"""Excel's numbers of the days of 1941 to 2119."""
_EXCEL_EPOCH: Final = date(1899, 12, 30)


def clean(text: str) -> str:
    """A cell without space around it and what keeps Excel from taking it for a number; "" for none."""
    text = text.strip()
    if text[:1] in ("=", "'"):
        if text[:2] == '="' and text[-1:] == '"' and len(text) > 2:
            text = text[2:-1].strip()
        text = text.removeprefix("'")
    return "" if len(text) < 10 and text.lower() in EMPTY else text


def legible(text: str) -> str:
    """A cell's text, cleaned; raises ValueError where its bytes were not of the encoding."""
    if "\ufffd" in text:
        raise ValueError("has bytes that are not of the ledger's encoding")
    return clean(text)


_OCTET: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_MAC: Final = re.compile(r"(?!(..)(?::\1){5})[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_CODE: Final = re.compile(r"[A-Za-z0-9-]{0,20}[0-9][A-Za-z0-9-]{0,40}")


def ordinary(attribute: str) -> Callable[[str], object] | None:
    """Tells texts that are values of an attribute just as they stand, without looking closer."""
    if attribute in ("management_ip", "ip_address"):
        return _IPV4.fullmatch
    if attribute in ("mac_addresses", "chassis_mac"):
        return _MAC.fullmatch
    if attribute in ("name", "serial_number", "asset_number", "part_number"):
        return _is_code
    return None


def _is_code(text: str) -> bool:
    if text.isalnum():
        return len(text) < 100 and not text.isalpha()
    return _CODE.fullmatch(text) is not None


def folded(text: str) -> str:
    """A text with full-width letters, digits and signs as usual ones."""
    return unicodedata.normalize("NFKC", text).strip()


_LOST: Final = re.compile(r"-?\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


def exact(text: str) -> str:
    """What tells things apart: refused where a spreadsheet has rounded it (``1.23457E+11``)."""
    if _LOST.fullmatch(text):
        raise ValueError("has lost digits: a spreadsheet took it for a number")
    return text


_ASIDE: Final = re.compile(
    r"((?:密码|口令|团体字|密钥)\s*(?:为|是|[:：=])?\s*)([!-~]{3,})|((?:password|passwd|pwd)\s+)(\S+)",
    re.IGNORECASE,
)


def remark(text: str) -> str:
    """Free text without the passwords that people note in it."""
    return _ASIDE.sub(lambda m: f"{m[1] or m[3]}(secret removed)", text)


# -- dates ----------------------------------------------------------------------------------------

_YMD: Final = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})(?:\s*[-/.月]\s*(\d{1,2})\s*[日号]?|\s*月?)(?:[ T]+[\d:.]+(?:Z|[+-][\d:]+)?)?"
)
_DMY: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?: +[\d:]+)?")
_NAMED: Final = ("%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y")


def day(text: str, formats: Sequence[str] = (), *, last: bool = False) -> str:
    """A date as ISO 8601.

    Parameters
    ----------
    formats
        Of `datetime.strptime`, tried first. Without them ``03/05/2024`` is refused, for it may be
        either month; with dots the day comes first everywhere.
    last
        Whether a month without a day means its last one (warranties), not its first.
    """
    text = folded(text)
    for written in formats:
        try:
            return datetime.strptime(text, written).date().isoformat()  # noqa: DTZ007
        except ValueError:
            continue
    try:
        return _day(text, last).isoformat()
    except (ValueError, OverflowError):
        raise ValueError("is no date, or one that can be read two ways") from None


def _day(text: str, last: bool) -> date:
    if match := _YMD.fullmatch(text):
        year, month = int(match[1]), int(match[2])
        return date(year, month, int(match[3] or (monthrange(year, month)[1] if last else 1)))
    if match := re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text):
        return date(int(match[1]), int(match[2]), int(match[3]))
    if match := _DMY.fullmatch(text):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        if match[2] == "." or first > 12 or first == second:
            return date(year, second, first)
        if second > 12:
            return date(year, first, second)
    if re.fullmatch(r"\d{5}(?:\.\d+)?", text) and int(float(text)) in EXCEL_DAYS:
        return _EXCEL_EPOCH + timedelta(days=int(float(text)))
    for written in _NAMED:
        try:
            return datetime.strptime(text, written).date()  # noqa: DTZ007
        except ValueError:
            continue
    raise ValueError


# -- numbers, sizes, money ------------------------------------------------------------------------

_NUMBER: Final = re.compile(
    r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:E[-+]?\d+)?", re.IGNORECASE
)


def number(text: str) -> Decimal:
    """A number, thousands separated or not, a unit behind it ignored: ``1,234.5 kW``."""
    match = re.fullmatch(
        rf"({_NUMBER.pattern})\s*[^\d\s.,][^\d]*|({_NUMBER.pattern})", folded(text), re.I
    )
    if match is None:
        raise ValueError("is no number")
    return Decimal((match[1] or match[2]).replace(",", ""))


def whole(text: str) -> int:
    """A number without a fraction."""
    found = number(text)
    if found != found.to_integral_value() or abs(found) > 10**12:
        raise ValueError("is no whole number")
    return int(found)


_COUNTED: Final = re.compile(
    r"(?:^|\D)(\d{1,3})\s*(?:[*×xX]|颗|路|个|pcs)\s*|[*×xX]\s*(\d{1,3})(?:\D|$)"
)


def count(text: str) -> int | None:
    """How many of something: ``2``, ``2*Xeon Gold 6248R``, ``Xeon Gold 6248R × 2``; None for a name."""
    text = folded(text)
    if re.fullmatch(r"\d{1,4}(?:\.0+)?\s*[^\W\d]{0,2}", text):
        return int(float(re.match(r"[\d.]+", text)[0]))  # type: ignore[index]
    found = _COUNTED.search(text)
    return int(found[1] or found[2]) if found else None


_MIB: Final = {p: Decimal(1024) ** n for p, n in zip("KMGTP", range(-1, 4), strict=True)}
_SIZE: Final = re.compile(r"([\d.,]+)\s*([KMGTP])?(?:i?B)?(?:ytes)?", re.IGNORECASE)
_SIZES: Final = re.compile(
    r"(\d+)\s*[*×xX]\s*([\d.]+)\s*([KMGTP])(?:i?B)?|([\d.]+)\s*([KMGTP])(?:i?B)?\s*[*×xX]\s*(\d+)"
)


def mib(text: str, unit: str = "GB") -> int:
    """A size in MiB: ``64``, ``64GB``, ``16G*4``; without a unit it is in the one of its header."""
    text = folded(text)
    if match := _SIZES.fullmatch(text):
        times, size, power = int(match[1] or match[6]), match[2] or match[4], match[3] or match[5]
    elif match := _SIZE.fullmatch(text):
        times, size, power = 1, match[1], match[2] or unit[0]
    else:
        raise ValueError("is no size")
    try:
        return round(times * Decimal(size.replace(",", "")) * _MIB[power.upper()])
    except (InvalidOperation, OverflowError):
        raise ValueError("is no size") from None


_SIGNS: Final = {
    "¥": "CNY",
    "￥": "CNY",
    "RMB": "CNY",
    "人民币": "CNY",
    "元": "CNY",
    "$": "USD",
    "US$": "USD",
    "美元": "USD",
    "€": "EUR",
    "£": "GBP",
    "欧元": "EUR",
}
_MONEY: Final = re.compile(
    r"(?P<before>[A-Za-z]{3}|US\$|[¥$€£]|人民币)?\s*(?P<amount>-?[\d.,' ]*\d)\s*(?P<ten>万)?\s*(?P<after>[A-Za-z]{3}|元整?|圆整?|美元|欧元|[¥$€£])?"
)


def money(text: str, currency: str, unit: str | None = None) -> str:
    """An amount as ``CNY 1234.50``; ``currency`` where the text has none, ``unit`` of its header."""
    match = _MONEY.fullmatch(folded(text))
    if match is None:
        raise ValueError("is no amount of money")
    said = (match["before"] or match["after"] or "").replace("圆", "元").removesuffix("整")
    code = _SIGNS.get(said.upper(), said.upper() or currency)
    if said == "元" and currency != "CNY" and not match["ten"]:
        code = "CNY"
    amount = _amount(match["amount"])
    if match["ten"] or (unit == "万元" and not said):
        amount *= 10_000
    if not re.fullmatch(r"[A-Z]{3}", code) or abs(amount) >= 10**12:
        raise ValueError("is no amount of money")
    return f"{code} {amount.quantize(Decimal('0.01')):f}"


def _amount(text: str) -> Decimal:
    """The last of two kinds of separators is the decimal one; a single comma before three digits none."""
    text = text.replace(" ", "").replace("'", "")
    if "," in text and "." in text:
        decimal = max(",.", key=text.rindex)
        text = text.replace("," if decimal == "." else ".", "").replace(decimal, ".")
    elif re.fullmatch(r"-?\d{1,3}(?:,\d{3})+", text) or text.count(",") > 1:
        text = text.replace(",", "")
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation:
        raise ValueError("is no amount of money") from None


def choice(words: Mapping[str, str], given: Mapping[str, str | None], plain: Convert) -> Convert:
    """One of an enumeration's values, by what the mapping calls them, else by what the model does."""
    own = {plain(word): value for word, value in given.items()}

    def convert(text: str) -> str | None:
        word = plain(text)
        if word in own:
            return own[word]
        if word not in words:
            raise ValueError(
                "is none of the values it can have; the mapping's `values` can name it"
            )
        return words[word]

    return convert


def several(text: str) -> list[str]:
    """The parts of a list in one cell."""
    return [part.strip() for part in re.split(r"[,;、，；|\n]+", text) if part.strip()]


def taking_apart(pattern: str) -> Convert:
    """The groups of a pattern that a whole cell must match, in their order."""
    compiled = re.compile(pattern)
    names = list(compiled.groupindex)

    def convert(text: str) -> list[str]:
        match = compiled.fullmatch(text[:1000])
        if match is None:
            raise ValueError("does not match the pattern that takes it apart")
        return [match[name] or "" for name in names]

    return convert
