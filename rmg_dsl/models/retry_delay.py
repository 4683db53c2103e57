"""How long a refusal asks to wait, where only its body says so: in a field, or in a sentence."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from rmg_dsl.models.body_fields import fields_in, texts_in

# Bodies are untrusted: this bounds the work on a text.
_MAX_CHARS = 2000

# Numbers from here on are moments since 1970, in seconds or in milliseconds.
_FIRST_EPOCH_SECONDS, _FIRST_EPOCH_MILLISECONDS = 1e9, 1e12

# Names of fields, without case and punctuation. A field that says how long comes before one that
# says when a quota is reset.
_DELAY_FIELDS = frozenset(
    {
        "estimatedtime",
        "retryafter",
        "retryafterms",
        "retryaftermilliseconds",
        "retryafterseconds",
        "retryaftersecs",
        "retrydelay",
        "retryin",
        "retryinseconds",
        "waitseconds",
        "waittime",
    }
)
_RESET_FIELDS = frozenset(
    {
        "quotaresetdelay",
        "ratelimitreset",
        "resetafter",
        "resetat",
        "resetin",
        "resetsat",
        "resetsin",
        "resettime",
        "xratelimitreset",
        "xratelimitresetrequests",
        "xratelimitresettokens",
    }
)

_NUMBER_WORDS = (
    "a=1 an=1 one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 fifteen=15 "
    "twenty=20 thirty=30 forty=40 forty-five=45 fifty=50 sixty=60 ninety=90"
)
_WORD_NUMBERS = {
    word: float(number) for word, number in (pair.split("=") for pair in _NUMBER_WORDS.split())
} | {"a couple of": 2.0, "a few": 5.0, "several": 5.0}
_UNITS = (
    (r"ms|msecs?|millis|milliseconds?|毫秒", 0.001),
    (r"s|secs?|seconds?|秒钟?", 1.0),
    (r"m|mins?|minutes?|分钟?", 60.0),
    (r"h|hrs?|hours?|小时", 3600.0),
    (r"d|days?|天", 86_400.0),
)
_UNIT = "|".join(words for words, _ in _UNITS)
# Longer words first: "a few" must not be read as "a".
_WORDS = "|".join(sorted(_WORD_NUMBERS, key=len, reverse=True))
_PART = rf"(?<![\w.])(?P<count>\d+(?:\.\d+)?|(?:{_WORDS})(?=\s))[\s-]*(?P<unit>{_UNIT})(?![a-z])"
_NEXT_PART = re.compile(_PART.replace(r"(?<![\w.])", r"(?:\s*(?:,|and|,\s*and)?\s*)"), re.I)
_FIRST_PART = re.compile(_PART, re.I)

_CUE = (
    r"\b(?:re-?try\w*|try\w*|again|wait\w*|resets?\w*|available|renew\w*|refresh\w*|refill\w*|"
    r"replenish\w*|cool\w*|back\w*[ -]?off|resum\w+|expires?|unblock\w*|lifted|delay\w*|"
    r"next|hold\w*|paus\w*|sleep\w*)\b"
)
# Between the cue and the time stand a few words of the same sentence, and no other number.
_CUE_BEFORE = re.compile(rf"{_CUE}[^\d.;!?]{{0,40}}?\Z", re.I)
_CUE_AFTER = re.compile(
    r"\A(?:\s*[后後]|"
    r"[^\d.;!?]{0,30}?\b(?:before|until|left|remaining|later|from now|re-?try|try)\b)",
    re.I,
)
_RATE_BEFORE = re.compile(r"(?:\b(?:per|every|each)\s*|/\s*)\Z", re.I)
_WITHOUT_UNIT = re.compile(
    r"\b(?:re-?try[-_ ]?(?:after|in)|again in|wait)\b[\"'\s:=]{0,4}(\d+(?:\.\d+)?)(?!\.?\d|[\w:/-])"
    r"(?!\s+\w*\s*(?:requests?|tokens?|calls?|times?|attempts?)\b)",
    re.I,
)
_CLOCK = re.compile(r"(?<![\w.:])(?:(\d+)\.)?(\d{1,2}):(\d\d):(\d\d)(?![\d:])")
_MOMENT = re.compile(
    r"\b(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)\d*\s?(Z|UTC|[+-]\d\d:?\d\d)?"
)


def retry_delay_in(body: object, text: str, now: float) -> float | None:
    """The seconds that the body or the `text` of a response asks to wait, or None.

    `now` is the time of the response in seconds since 1970; moments in the body are compared with
    it.

    >>> info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "21s"}
    >>> retry_delay_in({"error": {"code": 429, "details": [info]}}, "", 0.0)
    21.0
    >>> retry_delay_in({"error": {"message": "Please try again in 1m30s."}}, "", 0.0)
    90.0
    >>> retry_delay_in(None, "Limit: 15 requests per 60 seconds", 0.0)
    """
    for names in (_DELAY_FIELDS, _RESET_FIELDS):
        delays = [_field_seconds(name, value, now) for name, value in fields_in(body, names)]
        longest = max((delay for delay in delays if delay is not None), default=None)
        if longest is not None:
            return longest
    for sentence in [*texts_in(body, _MAX_CHARS), text[:_MAX_CHARS]]:
        seconds = seconds_in_sentence(sentence, now)
        if seconds is not None:
            return seconds
    return None


# ── fields ──


def _field_seconds(name: str, value: object, now: float) -> float | None:
    if isinstance(value, Mapping):
        # A duration of protobuf that was written as an object.
        return _field_seconds(name, value.get("seconds"), now)
    if isinstance(value, str):
        number = _number(value)
        if number is None:
            return _duration_or_moment(value, now)
        value = number
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if value < 0:
        return None
    scale = 0.001 if name.endswith(("ms", "milliseconds")) else 1.0
    return delay_of_number(float(value), now) * scale


def delay_of_number(number: float, now: float | None) -> float:
    """The seconds that a number stands for: a delay, or a moment since 1970.

    >>> delay_of_number(20.0, 0.0), delay_of_number(1_741_305_600_000.0, 1_741_305_590.0)
    (20.0, 10.0)

    Without `now` a moment says nothing: 0.
    """
    if number >= _FIRST_EPOCH_MILLISECONDS:
        number /= 1000
    if number < _FIRST_EPOCH_SECONDS:
        return number
    return max(0.0, number - now) if now else 0.0


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _duration_or_moment(text: str, now: float) -> float | None:
    moment = _MOMENT.search(text)
    if moment:
        return _seconds_until(moment, now)
    clock = _CLOCK.search(text)
    if clock:
        return _clock_seconds(clock)
    first = _FIRST_PART.match(text.strip())
    return _duration_seconds(text.strip(), first)[0] if first else None


# ── sentences ──


def seconds_in_sentence(sentence: str, now: float = 0.0) -> float | None:
    """The seconds that a sentence asks to wait; None for one that only states a limit.

    >>> seconds_in_sentence("Please wait 12 seconds before the next request.")
    12.0
    >>> seconds_in_sentence("Too many requests: 20 per minute. Try again in 500ms.")
    0.5
    >>> seconds_in_sentence("Quota will be replenished in 00:01:30.")
    90.0
    >>> seconds_in_sentence("Limit: 15 requests per 60 seconds.")
    """
    for moment in _MOMENT.finditer(sentence):
        if _CUE_BEFORE.search(sentence[: moment.start()]):
            return _seconds_until(moment, now)
    for clock in _CLOCK.finditer(sentence):
        if _CUE_BEFORE.search(sentence[: clock.start()]):
            return _clock_seconds(clock)
    durations = list(_durations(sentence))
    for before, seconds, _ in durations:
        if _CUE_BEFORE.search(before):
            return seconds
    bare = _WITHOUT_UNIT.search(sentence)
    if bare:
        return float(bare.group(1))
    for before, seconds, after in durations:
        if _CUE_AFTER.match(after) and not _RATE_BEFORE.search(before):
            return seconds
    return None


def _durations(sentence: str) -> Iterator[tuple[str, float, str]]:
    """The durations in a sentence, each with the text before and after it."""
    position = 0
    while first := _FIRST_PART.search(sentence, position):
        seconds, position = _duration_seconds(sentence, first)
        yield sentence[: first.start()], seconds, sentence[position:]


def _duration_seconds(text: str, first: re.Match[str]) -> tuple[float, int]:
    """The seconds of a duration of several parts, such as `1m30s`, and where it ends."""
    total, end = 0.0, first.end()
    part: re.Match[str] | None = first
    while part is not None:
        total += _count(part.group("count")) * _unit_seconds(part.group("unit"))
        end = part.end()
        part = _NEXT_PART.match(text, end)
    return round(total, 6), end


def _count(text: str) -> float:
    words = " ".join(text.lower().split())
    return _WORD_NUMBERS[words] if words in _WORD_NUMBERS else float(text)


def _unit_seconds(unit: str) -> float:
    return next(seconds for words, seconds in _UNITS if re.fullmatch(words, unit, re.I))


def _clock_seconds(clock: re.Match[str]) -> float:
    days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _seconds_until(moment: re.Match[str], now: float) -> float | None:
    date, time, zone = moment.groups()
    try:
        # Without a zone it is that of servers.
        then = datetime.fromisoformat(f"{date}T{time}{_offset(zone)}")
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return max(0.0, then.timestamp() - now)


def _offset(zone: str | None) -> str:
    if zone in (None, "Z", "UTC"):
        return "+00:00"
    return zone or ""
