"""Verdicts in parsed JSON: the readers and errors that the kinds of scales share."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_NO_NUMBERS = ("nan", "inf", "infinity")
_BOOL_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_MAX_QUOTED_CHARS = 200


class OffScale(Exception):
    """A verdict that lies outside the scale."""


class NoVerdict(Exception):
    """A reply without a verdict that was offered; the message says why."""


class DuplicateKeys(dict[str, object]):
    """A JSON object that gives one key twice, so that it is not clear which value counts."""


class CriterionAnswer(NamedTuple):
    """The yes or no to one criterion, and the reason for it."""

    is_met: bool
    reason: str


def shorten_quote(text: str) -> str:
    """A text for a message: on one line, at most 200 characters."""
    folded = " ".join(text.split())
    if len(folded) <= _MAX_QUOTED_CHARS:
        return folded
    return folded[: _MAX_QUOTED_CHARS - 1] + "…"


def reject_containers(raw: object) -> None:
    """Raise NoVerdict for a list or an object, where a single verdict is expected."""
    if isinstance(raw, dict | list):
        raise NoVerdict("the verdict is a list or an object")


def read_number(raw: object, low: float, high: float, scale: object) -> float:
    """The number that a JSON value is, as itself or as digits in a text, from `low` to `high`.

    >>> read_number("4", 1, 5, "1..5")
    4.0

    Raises NoVerdict where it is no number, OffScale where it is out of bounds.
    """
    number = _parse_number(raw, scale)
    # Neither NaN nor an infinity is between two numbers. An int of 400 digits can be compared, but
    # not converted to a float.
    if not low <= number <= high:
        raise OffScale(f"the verdict {shorten_quote(str(number))} is not on {scale}")
    return number


def _parse_number(raw: object, scale: object) -> float:
    reject_containers(raw)
    if isinstance(raw, bool):
        raise NoVerdict(f"the verdict is {str(raw).lower()}, not a number")
    if isinstance(raw, str):
        return _parse_digits(raw.strip(), scale)
    assert isinstance(raw, int | float)
    return raw


def _parse_digits(written: str, scale: object) -> float:
    if written.lower().lstrip("+-") in _NO_NUMBERS:
        raise OffScale(f"the verdict {written} is no number on {scale}")
    if not re.fullmatch(_NUMBER, written, re.ASCII):
        raise NoVerdict(f'the verdict "{shorten_quote(written)}" is no number')
    return float(written)


def read_bool(raw: object) -> bool:
    """The bool that a JSON value is, as itself or as a word. Raises NoVerdict for anything else.

    >>> read_bool("Yes"), read_bool(False)
    (True, False)
    """
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _BOOL_WORDS:
        return _BOOL_WORDS[raw.strip().lower()]
    raise NoVerdict(f"the verdict {shorten_quote(json.dumps(raw))} is neither true nor false")


def read_label(raw: object, labels: Sequence[str]) -> str:
    """The label that a JSON text is, in any capitals. Raises NoVerdict for anything else.

    >>> read_label(" Good", ["good", "bad"])
    'good'
    """
    if isinstance(raw, str):
        same = [label for label in labels if raw.strip().casefold() == label.strip().casefold()]
        if raw in same:
            return raw
        # Two labels may differ in capitals only: then only an exact copy says which one is meant.
        if len(same) == 1:
            return same[0]
    raise NoVerdict(f"the verdict {shorten_quote(json.dumps(raw))} was never offered")
