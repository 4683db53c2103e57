"""An HTTP response as data, and the complaint in it, in whatever form the provider writes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import MappingProxyType

from rmg_dsl.models.retry_delay import delay_of_number

_SECONDS_PER_UNIT = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0})
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
# Above this a count of tokens is nonsense, and would overflow the arithmetic of money.
_MOST_TOKENS = 10**12


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response. `body` is its JSON; where it has none, `text` is how it starts.

    `retry_after` is in seconds, None where its headers do not say it. `sent_at` is the server's
    time of the response, in seconds since 1970, where it is known.
    """

    status: int
    body: object = None
    text: str = ""
    retry_after: float | None = None
    sent_at: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What is wrong, in the provider's words: a sentence, the field it names, and its codes."""

    message: str
    param: str = ""
    codes: frozenset[str] = frozenset()

    def is_about(self, field: str) -> bool:
        """Whether this is about `field`: `param` decides where there is one, else the sentence."""
        if self.param:
            return self.param == field
        return re.search(rf"\b{field}\b", self.message) is not None

    def mentions(self, words: tuple[str, ...]) -> bool:
        text = f"{self.param} {' '.join(sorted(self.codes))} {self.message}".lower()
        return any(word in text for word in words)


def error_details_of(response: HttpResponse) -> ErrorDetails:
    """The complaint in a response, from any common shape of error body; else the status in words.

    >>> body = [{"error": {"message": "bad  key", "status": "INVALID"}}]
    >>> error_details_of(HttpResponse(400, body)).message
    'bad key'
    >>> error_details_of(HttpResponse(502, text="<html>")).message
    'Bad Gateway'
    """
    error = _error_value(response.body)
    message = _error_message(error)
    # A web page is no message.
    if not message and not response.text.lstrip().startswith("<"):
        message = response.text
    sentence = " ".join(message.split()) or _status_phrase(response.status)
    if not isinstance(error, Mapping):
        return ErrorDetails(sentence)
    param = error.get("param")
    if not isinstance(param, str):
        param = ""
    return ErrorDetails(sentence, param, _error_codes(error))


def _error_value(body: object) -> object:
    # Google puts the object into a list.
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, Mapping):
        return body.get("error") or body
    return body


def _error_message(error: object) -> str:
    match error:
        case str():
            return error
        case {"message": str() as text} | {"detail": str() as text} | {"msg": str() as text} if (
            text.strip()
        ):
            return text
        case {"detail": list() as details}:
            # FastAPI's validation errors.
            return "; ".join(f"{_error_location(item)}{_error_message(item)}" for item in details)
        case _:
            return ""


def _error_location(detail: object) -> str:
    location = detail.get("loc") if isinstance(detail, Mapping) else None
    if not isinstance(location, list):
        return ""
    return f"{'.'.join(map(str, location))}: "


def _error_codes(error: Mapping[object, object]) -> frozenset[str]:
    codes = [error.get(key) for key in ("code", "type", "status")]
    # Azure's own code is one level deeper.
    inner = error.get("innererror")
    if isinstance(inner, Mapping):
        codes.append(inner.get("code"))
    return frozenset(str(code).lower() for code in codes if isinstance(code, str | int))


def _status_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def token_count(value: object) -> int:
    """A count of tokens in a response; 0 where it is none.

    >>> token_count(20), token_count("many"), token_count(-1)
    (20, 0, 0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= _MOST_TOKENS else 0


# ── how long to wait ──


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """The seconds that a response asks to wait, or None.

    They come from `retry-after-ms`, from `retry-after` (seconds or a date), else from
    `x-ratelimit-…` and `ratelimit-reset`. A date is compared with the response's own `date`, so
    that no clock matters.

    >>> retry_after_of({"retry-after": "2.5"})
    2.5
    >>> now, later = "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:30 GMT"
    >>> retry_after_of({"retry-after": later, "date": now})
    30.0
    """
    milliseconds = _parse_seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _parse_seconds(text)
    if seconds is not None:
        return seconds
    until, now = _parse_http_date(text), _parse_http_date(headers.get("date"))
    if until and now:
        return max(0.0, until.timestamp() - now.timestamp())
    return rate_limit_pause_of(headers) or _reset_seconds(headers) or None


def sent_at_of(headers: Mapping[str, str]) -> float | None:
    """The server's time of a response in seconds since 1970, or None.

    >>> sent_at_of({"date": "Thu, 01 Jan 1970 00:00:30 GMT"})
    30.0
    """
    date = _parse_http_date(headers.get("date"))
    return date.timestamp() if date else None


def _reset_seconds(headers: Mapping[str, str]) -> float:
    """The seconds until a reset that a refusal announces, as a number or as a moment."""
    for name in ("ratelimit-reset", "x-ratelimit-reset"):
        seconds = _parse_seconds(headers.get(name))
        if seconds is None:
            seconds = _parse_duration(headers.get(name))
        delay = delay_of_number(seconds, sent_at_of(headers))
        if delay:
            return delay
    return 0.0


def rate_limit_pause_of(headers: Mapping[str, str]) -> float:
    """The seconds until a used-up quota fills again, from `x-ratelimit-…`; 0 where some is left.

    >>> headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0.5s"}
    >>> rate_limit_pause_of(headers)
    60.5
    """
    pause = 0.0
    for kind in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{kind}") == "0":
            pause = max(pause, _parse_duration(headers.get(f"x-ratelimit-reset-{kind}")))
    return pause


def _parse_duration(text: str | None) -> float:
    """Such as `6m0s`, `120ms` or a bare number of seconds; 0 for anything else."""
    seconds = _parse_seconds(text)
    if seconds is not None:
        return seconds
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
