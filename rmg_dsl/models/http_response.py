"""An HTTP answer as data, and what an endpoint complains of, in whatever form its makers chose."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType

_UNITS = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0})
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: `body` is its JSON, or none, then `text` is how it began; `retry_after` is in seconds."""

    status: int
    body: object = None
    text: str = ""
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, in the provider's words: its sentence, the field it names, and its codes."""

    sentence: str
    param: str = ""
    codes: frozenset[str] = frozenset()

    def names(self, field: str) -> bool:
        """Whether this is about `field`: the one that is named apart decides, else the sentence."""
        return (
            self.param == field
            if self.param
            else re.search(rf"\b{field}\b", self.sentence) is not None
        )

    def speaks_of(self, words: tuple[str, ...]) -> bool:
        text = f"{self.param} {' '.join(sorted(self.codes))} {self.sentence}".lower()
        return any(word in text for word in words)


def complaint_of(answer: Answer) -> Complaint:
    """Reads every shape of error body that is about; what says nothing readable becomes the status in words.

    >>> complaint_of(Answer(400, [{"error": {"message": "bad  key", "status": "INVALID"}}])).sentence
    'bad key'
    >>> complaint_of(Answer(502, text="<html>")).sentence
    'Bad Gateway'
    """
    body = answer.body[0] if isinstance(answer.body, list) and answer.body else answer.body
    error = body.get("error") or body if isinstance(body, Mapping) else body
    found = _sentence(error) or ("" if answer.text.lstrip().startswith("<") else answer.text)
    sentence = " ".join(found.split()) or _in_words(answer.status)
    if not isinstance(error, Mapping):
        return Complaint(sentence)
    param = error.get("param")
    return Complaint(sentence, param if isinstance(param, str) else "", _codes(error))


def _sentence(error: object) -> str:
    match error:
        case str():
            return error
        case {"message": str() as text} | {"detail": str() as text} | {"msg": str() as text} if (
            text.strip()
        ):
            return text
        case {"detail": list() as details}:
            return "; ".join(f"{_place(each)}{_sentence(each)}" for each in details)
        case _:
            return ""


def _place(detail: object) -> str:
    place = detail.get("loc") if isinstance(detail, Mapping) else None
    return f"{'.'.join(map(str, place))}: " if isinstance(place, list) else ""


def _codes(error: Mapping[object, object]) -> frozenset[str]:
    inner = error.get("innererror")
    held = [error.get(key) for key in ("code", "type", "status")]
    held += [inner.get("code")] if isinstance(inner, Mapping) else []
    return frozenset(str(code).lower() for code in held if isinstance(code, str | int))


def _in_words(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that an answer asks to wait, from `retry-after-ms` or `retry-after`, the latter a number or a date.

    A date is counted from the answer's own `date`, so that nobody's clock matters.

    >>> retry_after_of({"retry-after": "2.5"})
    2.5
    >>> retry_after_of({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"})
    30.0
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    plain = _seconds(asked)
    if plain is not None:
        return plain
    until, now = _date(asked), _date(headers.get("date"))
    if until and now:
        return max(0.0, until.timestamp() - now.timestamp())
    return pause_of(headers) or None


def pause_of(headers: Mapping[str, str]) -> float:
    """The seconds until a provider that counts has anything left, from `x-ratelimit-…`; 0 where it has some.

    >>> pause_of({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0.5s"})
    60.5
    """
    empty = [
        kind
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    ]
    return max((_duration(headers.get(f"x-ratelimit-reset-{kind}")) for kind in empty), default=0.0)


def _duration(text: str | None) -> float:
    """Such as `6m0s`, `120ms` or a bare number of seconds; anything else is 0."""
    plain = _seconds(text)
    if plain is not None:
        return plain
    parts = _PART.findall(text or "")
    if "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text or "")
    except (TypeError, ValueError, OverflowError):
        return None
