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

_RESERVED_FIELDS = ("messages", "model", "stream")
_MAX_NUMBER = 10**9
_DAY_SECONDS = 86_400


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


def _is_real_number(value: Any) -> bool:
    # Not math.isfinite: it overflows on a very long integer.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _number_between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: _is_real_number(value) and low <= value <= high


def _positive_number(high: float = _MAX_NUMBER) -> Callable[[Any], bool]:
    return lambda value: _is_real_number(value) and 0 < value <= high


def _whole_number_between(low: int, high: int = _MAX_NUMBER) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _text_matching(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_extra_body(value: Any) -> bool:
    body = extra_body_of(value)
    return body is not None and not any(name in body for name in _RESERVED_FIELDS)


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
class ModelSetting:
    """One setting: what it allows, in words, and the test of it.

    >>> SETTINGS["top_p"].allows, SETTINGS["top_p"].accepts(0)
    ('a number above 0, at most 1', False)
    """

    allows: str
    accepts: Callable[[Any], bool]


SETTINGS: Mapping[str, ModelSetting] = MappingProxyType(
    {
        "temperature": ModelSetting("a number from 0 to 2", _number_between(0, 2)),
        "top_p": ModelSetting("a number above 0, at most 1", _positive_number(1)),
        "max_tokens": ModelSetting("a whole number from 1", _whole_number_between(1)),
        "seed": ModelSetting(
            "a whole number of at most nine digits",
            _whole_number_between(1 - _MAX_NUMBER, _MAX_NUMBER - 1),
        ),
        "timeout": ModelSetting(
            "a number of seconds above 0, a day at most", _positive_number(_DAY_SECONDS)
        ),
        "concurrency": ModelSetting("a whole number from 1", _whole_number_between(1)),
        "rpm": ModelSetting("a number of requests per minute above 0", _positive_number()),
        "tpm": ModelSetting("a number of tokens per minute above 0", _positive_number()),
        "max_retries": ModelSetting("a whole number from 0", _whole_number_between(0)),
        "reasoning_effort": ModelSetting(
            'a word of the provider\'s, such as "low"', _text_matching(r"\w[\w-]*")
        ),
        "extra_body": ModelSetting(
            "a JSON object, as text, without `messages`, `model` and `stream`, such as '{\"top_k\": 1}'",
            _is_extra_body,
        ),
        "price": ModelSetting(
            'USD per million tokens, as "in/out" or "in/out/cached", such as "0.10/0.40"', _is_price
        ),
        "base_url": ModelSetting(
            "a URL that starts with http:// or https:// and holds no password", _is_base_url
        ),
        "api_key_env": ModelSetting(
            "the name of an environment variable, never the key itself",
            _text_matching(r"[A-Za-z_][A-Za-z0-9_]*"),
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
