"""Graders that parse a text before they compare it: JSON and numbers."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal


def json_valid(text: str) -> bool:
    r"""Return whether the whole text is one JSON value by RFC 8259.

    >>> json_valid(' {"a": [1, 2.5, null]}\n')
    True
    >>> json_valid('{"a": 1,}'), json_valid("NaN"), json_valid("")
    (False, False, False)
    >>> json_valid('```json\n{}\n```')  # a fence is not JSON: remove it with `extract`
    False

    White space around it is allowed; `NaN`, `Infinity`, comments, single quotes, raw line breaks in
    strings and a byte order mark are not. A key may be repeated. Nesting deeper than Python can
    parse (about 1,000 levels) is not valid.
    """
    return _parse_json_text(text) is not _INVALID_JSON


def json_equal(response: object, reference: object) -> bool:
    """Return whether two JSON texts have the same value: objects in any order, lists in order.

    >>> json_equal('{"a": 1, "b": [true]}', '{"b":[true], "a":1.0}')
    True
    >>> json_equal("[1, 2]", "[2, 1]")
    False
    >>> json_equal('{"n": 3}', {"n": 3}), json_equal("true", "1"), json_equal("oops", "oops")
    (True, False, False)

    A text is parsed by the rules of `json_valid`; anything else (a list, an object, a number from
    the data) is compared as it is. False where either text is not valid, both included. `1` equals
    `1.0`; `true` is not `1`; whole numbers are compared exactly, others as 64-bit floats; strings
    by code point; of a repeated key the last one counts.
    """
    left, right = _json_value(response), _json_value(reference)
    if left is _INVALID_JSON or right is _INVALID_JSON:
        return False
    # A list and not recursion, so that any nesting that was parsed can be compared.
    pending = [(left, right)]
    while pending:
        pair = pending.pop()
        if not _equal_shallowly(*pair):
            return False
        pending.extend(_child_pairs(*pair))
    return True


# Not None, which is the value of `null`.
_INVALID_JSON = object()
# The lowest limit of digits for int() that a program can set. Beyond it, Decimal is exact too.
_DIGITS_FOR_INT = 640


def _json_value(side: object) -> object:
    if isinstance(side, str):
        return _parse_json_text(side)
    return side


def _parse_json_text(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_reject_constant, parse_int=_parse_whole_number)
    except (json.JSONDecodeError, _NotJson, RecursionError):
        return _INVALID_JSON


class _NotJson(ValueError):
    """Raised for NaN and the infinities, which Python's parser accepts."""


def _reject_constant(constant: str) -> object:
    raise _NotJson(constant)


def _parse_whole_number(digits: str) -> int | Decimal:
    if len(digits) <= _DIGITS_FOR_INT:
        return int(digits)
    return Decimal(digits)


def _equal_shallowly(left: object, right: object) -> bool:
    """Whether two values agree, apart from the values of their items."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys()
        case list() | tuple(), list() | tuple():
            return len(left) == len(right)
        case _:
            # `true` is not `1` in JSON, but True equals 1 in Python.
            is_same_kind = isinstance(left, bool) == isinstance(right, bool)
            return is_same_kind and bool(left == right)


def _child_pairs(left: object, right: object) -> Iterator[tuple[object, object]]:
    match left, right:
        case dict(), dict():
            for key, value in left.items():
                yield value, right[key]
        case list() | tuple(), list() | tuple():
            yield from zip(left, right, strict=True)


def number_close(
    response: str | float, reference: str | float, rel: float = 1e-6, abs: float = 0.0
) -> bool:
    """Return whether both hold the same number, within a relative or an absolute tolerance.

    >>> number_close("So she pays 3 + 4 = $1,234.50.", "1234.5")
    True
    >>> number_close("about 3.14", 3.14159, rel=0.01), number_close("0.001", "0", abs=0.01)
    (True, True)
    >>> number_close("no idea", "7"), number_close("50%", "0.5")
    (False, False)

    The number of a text is its last one: see `last_number`. No number in either is False. Compared
    by `math.isclose`: the difference is at most `rel` times the larger of the two, or at most
    `abs`; a tolerance below 0 is a ValueError.
    """
    ours, theirs = last_number(response), last_number(reference)
    if ours is None or theirs is None:
        return False
    return math.isclose(ours, theirs, rel_tol=rel, abs_tol=abs)


_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)])[-+−])?                  # a sign; after a word or `)` it is a minus or dash
    [$€£¥₹]?
    (?P<size>
        (?: [1-9]\d{0,2}(?:,\d{3})+             # 1,234,567
          | \d{1,2}(?:,\d{2}){1,9},\d{3}        # 12,34,567, as in India; bounded, as a long list
                                                # of pairs would take square time
        ) (?![\d]|,\d) (?:\.\d+)?
        | (?P<points> [1-9]\d{0,2} (?:          # decimals after a comma, as in most of Europe:
            (?:\.\d{3})+ (?P<cents>,\d+)       # 1.234,50
            | (?:\.\d{3}){2,} (?![.\d])        # 1.234.567
          ) )
        | (?P<gaps> [1-9]\d{0,2} (?:[\u00a0\u2009\u202f'’]\d{3})+ (?:[.,]\d+)? ) (?!\d)
        | (?<!\d,) (?P<comma> \d+,\d+ ) (?!,?\d)  # 2,5
        | \d+ (?:\.\d+)?
        | (?<!\d)\.\d+
    )
    (?P<power>[eE][-+]?\d+)?
    """,
    re.VERBOSE,
)


def last_number(value: str | float) -> float | None:
    """Return the last number in a text, where worked answers have their result, or None.

    >>> last_number("12 - 5 = 7, so the answer is -$1,007.50 (net).")
    -1007.5
    >>> last_number("2e3"), last_number("none")
    (2000.0, None)

    A comma separates thousands only before three digits: `1,234` is 1234, and `2,5`, `0,750` and
    `1.234,50` have decimals after the comma. In brackets, as in `(3,4)`, and with more commas it
    separates the items of a list. Currency and percent signs are dropped, not applied: `50%` is 50.
    A minus belongs to a number unless a letter, a digit or `)` stands before it. Fractions and
    powers are not worked out: `1/2` ends in 2. Digits of every script count. None where there is no
    number, and where it is beyond the range of floats. A number is returned as it is.
    """
    if isinstance(value, str):
        matches = [*_NUMBER.finditer(value)]
        if not matches:
            return None
        return _finite_float(_float_literal(matches[-1]))
    return _finite_float(value)


def _float_literal(match: re.Match[str]) -> str:
    # `float` does not read the typographic minus, nor commas between thousands.
    sign = "-" if match["sign"] in ("-", "−") else ""
    size = match["size"]
    if match["points"]:
        size = size.replace(".", "").replace(",", ".")
    elif match["gaps"]:
        size = _GAP.sub("", size).replace(",", ".")
    elif match["comma"]:
        first, _, rest = size.partition(",")
        size = rest if _is_in_brackets(match) else f"{first}.{rest}"
    return sign + size.replace(",", "") + (match["power"] or "")


_GAP = re.compile("[\u00a0\u2009\u202f'’]")


def _is_in_brackets(match: re.Match[str]) -> bool:
    """Whether a number with a comma stands alone in brackets: then it is a pair of numbers."""
    before = match.string[: match.start()].rstrip()[-1:]
    after = match.string[match.end() :].lstrip()[:1]
    return before + after in ("()", "[]", "{}")


def _finite_float(value: str | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:  # an int that is too large; the text of such a number becomes infinite
        return None
    if math.isfinite(number):
        return number
    return None
