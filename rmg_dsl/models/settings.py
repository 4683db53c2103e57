"""The settings that `llm(…)` takes: one table of names, each with what it allows."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rmg_dsl.models.prices import Price

_OURS = ("messages", "model", "stream")
_MOST = 10**9
_DAY = 86_400


def extra_body_of(value: Any) -> dict[str, Any] | None:
    """The fields that `extra_body` adds to a call, from a mapping or from JSON text; none where it is no object.

    >>> extra_body_of('{"top_k": 1}')
    {'top_k': 1}
    """
    try:
        found = json.loads(value if isinstance(value, str) else json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_number(value: Any) -> bool:
    # Not math.isfinite: it overflows on a very long integer.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: _is_number(value) and low <= value <= high


def _above_zero(high: float = _MOST) -> Callable[[Any], bool]:
    return lambda value: _is_number(value) and 0 < value <= high


def _whole(low: int, high: int = _MOST) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_extra_body(value: Any) -> bool:
    body = extra_body_of(value)
    return body is not None and not any(name in body for name in _OURS)


def _is_price(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(Price.of(value))
    except ValueError:
        return False


def _is_base_url(value: Any) -> bool:
    if not isinstance(value, str) or re.search(r"\s", value):
        return False
    # Few specs name a URL, and the others need not wait for this.
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        # A password in a URL would show in every message about the endpoint.
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and parts.port != 0
        )
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what it allows, in words, and the test of it.

    >>> SETTINGS["top_p"].allows, SETTINGS["top_p"].accepts(0)
    ('a number above 0, at most 1', False)
    """

    allows: str
    accepts: Callable[[Any], bool]


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "temperature": Setting("a number from 0 to 2", _number(0, 2)),
        "top_p": Setting("a number above 0, at most 1", _above_zero(1)),
        "max_tokens": Setting("a whole number from 1", _whole(1)),
        "seed": Setting("a whole number of at most nine digits", _whole(1 - _MOST, _MOST - 1)),
        "timeout": Setting("a number of seconds above 0, a day at most", _above_zero(_DAY)),
        "concurrency": Setting("a whole number from 1", _whole(1)),
        "rpm": Setting("a number of requests per minute above 0", _above_zero()),
        "tpm": Setting("a number of tokens per minute above 0", _above_zero()),
        "max_retries": Setting("a whole number from 0", _whole(0)),
        "reasoning_effort": Setting(
            'a word of the provider\'s, such as "low"', _matches(r"\w[\w-]*")
        ),
        "extra_body": Setting(
            "a JSON object, as text, without `messages`, `model` and `stream`, such as '{\"top_k\": 1}'",
            _is_extra_body,
        ),
        "price": Setting(
            'USD per million tokens, as "in/out" or "in/out/cached", such as "0.10/0.40"', _is_price
        ),
        "base_url": Setting(
            "a URL that starts with http:// or https:// and holds no password", _is_base_url
        ),
        "api_key_env": Setting(
            "the name of an environment variable, never the key itself",
            _matches(r"[A-Za-z_][A-Za-z0-9_]*"),
        ),
    }
)


def check_setting(name: str, value: Any) -> str | None:
    """What is wrong with a setting, as a sentence; none where it is fine. The value is never repeated: it may be a key.

    >>> check_setting("temperature", 0.2)
    >>> check_setting("temperature", 3)
    '`temperature` takes a number from 0 to 2'
    >>> check_setting("temprature", 0)
    'unknown setting `temprature`: did you mean `temperature`?'
    """
    setting = SETTINGS.get(name)
    if setting is not None:
        return None if setting.accepts(value) else f"`{name}` takes {setting.allows}"
    near = difflib.get_close_matches(name, SETTINGS, n=1)
    rest = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(SETTINGS)}"
    return f"unknown setting `{name}`: {rest}"
