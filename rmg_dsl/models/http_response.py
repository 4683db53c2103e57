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

_SECONDS_PER_UNIT = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0})
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer: `body` is its JSON, or none, then `text` is how it began; `retry_after` is in seconds."""

    status: int
    body: object = None
    text: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What is wrong, in the provider's words: its sentence, the field it names, and its codes."""

    message: str
    param: str = ""
    codes: frozenset[str] = frozenset()

    def is_about(self, field: str) -> bool:
        """Whether this is about `field`: the one that is named apart decides, else the sentence."""
        return (
            self.param == field
            if self.param
            else re.search(rf"\b{field}\b", self.message) is not None
        )

    def mentions(self, words: tuple[str, ...]) -> bool:
        text = f"{self.param} {' '.join(sorted(self.codes))} {self.message}".lower()
        return any(word in text for word in words)


def error_details_of(answer: HttpResponse) -> ErrorDetails:
    """Reads every shape of error body that is about; what says nothing readable becomes the status in words.

    >>> error_details_of(HttpResponse(400, [{"error": {"message": "bad  key", "status": "INVALID"}}])).message
    'bad key'
    >>> error_details_of(HttpResponse(502, text="<html>")).message
    'Bad Gateway'
    """
    body = answer.body[0] if isinstance(answer.body, list) and answer.body else answer.body
    error = body.get("error") or body if isinstance(body, Mapping) else body
    found = _error_message(error) or ("" if answer.text.lstrip().startswith("<") else answer.text)
    sentence = " ".join(found.split()) or _status_phrase(answer.status)
    if not isinstance(error, Mapping):
        return ErrorDetails(sentence)
    param = error.get("param")
    return ErrorDetails(sentence, param if isinstance(param, str) else "", _error_codes(error))


def _error_message(error: object) -> str:
    match error:
        case str():
            return error
        case {"message": str() as text} | {"detail": str() as text} | {"msg": str() as text} if (
            text.strip()
        ):
            return text
        case {"detail": list() as details}:
            return "; ".join(f"{_error_location(each)}{_error_message(each)}" for each in details)
        case _:
            return ""


def _error_location(detail: object) -> str:
    place = detail.get("loc") if isinstance(detail, Mapping) else None
    return f"{'.'.join(map(str, place))}: " if isinstance(place, list) else ""


def _error_codes(error: Mapping[object, object]) -> frozenset[str]:
    inner = error.get("innererror")
    held = [error.get(key) for key in ("code", "type", "status")]
    held += [inner.get("code")] if isinstance(inner, Mapping) else []
    return frozenset(str(code).lower() for code in held if isinstance(code, str | int))


def _status_phrase(status: int) -> str:
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
    milliseconds = _parse_seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after")
    plain = _parse_seconds(asked)
    if plain is not None:
        return plain
    until, now = _parse_http_date(asked), _parse_http_date(headers.get("date"))
    if until and now:
        return max(0.0, until.timestamp() - now.timestamp())
    return rate_limit_pause_of(headers) or None


def rate_limit_pause_of(headers: Mapping[str, str]) -> float:
    """The seconds until a provider that counts has anything left, from `x-ratelimit-…`; 0 where it has some.

    >>> rate_limit_pause_of({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0.5s"})
    60.5
    """
    empty = [
        kind
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0"
    ]
    return max(
        (_parse_duration(headers.get(f"x-ratelimit-reset-{kind}")) for kind in empty), default=0.0
    )


def _parse_duration(text: str | None) -> float:
    """Such as `6m0s`, `120ms` or a bare number of seconds; anything else is 0."""
    plain = _parse_seconds(text)
    if plain is not None:
        return plain
    parts = _DURATION_PART.findall(text or "")
    if "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts)


def _parse_seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _parse_http_date(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text or "")
    except (TypeError, ValueError, OverflowError):
        return None
