"""The settings that `llm(…)` takes: one table of names, each with what it allows."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, TypedDict, TypeGuard

from rmg_dsl.models.prices import Price

_RESERVED_FIELDS = ("messages", "model", "stream")
_MAX_NUMBER = 10**9
_DAY_SECONDS = 86_400

SettingTest: TypeAlias = Callable[[object], bool]


class SettingRule(NamedTuple):
    """A test of a value, and its limits as JSON Schema, as far as JSON Schema can say them."""

    accepts: SettingTest
    json_schema: Mapping[str, object]


class ModelSettings(TypedDict, total=False):
    """Settings that `check_setting` has accepted. `SETTINGS` says what each one allows."""

    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    timeout: float
    concurrency: int
    rpm: float
    tpm: float
    max_retries: int
    reasoning_effort: str
    extra_body: str | Mapping[str, object]
    price: str
    base_url: str
    api_key_env: str


def extra_body_of(value: object) -> dict[str, object] | None:
    """The fields that `extra_body` adds to a call, from a mapping or JSON text; None for no object.

    >>> extra_body_of('{"top_k": 1}')
    {'top_k': 1}
    """
    try:
        text = value if isinstance(value, str) else json.dumps(value, allow_nan=False)
        fields = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _number_between(low: float, high: float) -> SettingRule:
    return SettingRule(
        lambda value: _is_real_number(value) and low <= value <= high,
        {"type": "number", "minimum": low, "maximum": high},
    )


def _positive_number(high: float = _MAX_NUMBER) -> SettingRule:
    return SettingRule(
        lambda value: _is_real_number(value) and 0 < value <= high,
        {"type": "number", "exclusiveMinimum": 0, "maximum": high},
    )


def _is_real_number(value: object) -> TypeGuard[float]:
    # Not math.isfinite: it overflows on a very long integer.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _whole_number_between(low: int, high: int = _MAX_NUMBER) -> SettingRule:
    def accepts(value: object) -> bool:
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return low <= value <= high

    return SettingRule(accepts, {"type": "integer", "minimum": low, "maximum": high})


def _text_matching(pattern: str) -> SettingRule:
    return SettingRule(
        lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None,
        {"type": "string", "pattern": f"^{pattern}$"},
    )


def _is_extra_body(value: object) -> bool:
    body = extra_body_of(value)
    return body is not None and not any(name in body for name in _RESERVED_FIELDS)


def _is_price(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        Price.of(value)
    except ValueError:
        return False
    return True


def _is_base_url(value: object) -> bool:
    if not isinstance(value, str) or re.search(r"\s", value):
        return False
    # Few specs name a URL: the others do not wait for this import.
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    # A password in a URL would show in every message about the endpoint.
    return "@" not in parts.netloc and port != 0


@dataclass(frozen=True, slots=True)
class ModelSetting:
    """One setting: what it allows, in words and as a rule.

    >>> SETTINGS["top_p"].allows, SETTINGS["top_p"].accepts(0)
    ('a number above 0, at most 1', False)
    """

    allows: str
    rule: SettingRule

    def accepts(self, value: object) -> bool:
        """Whether the setting takes this value."""
        return self.rule.accepts(value)


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
        # With less than these, one call would wait for hours.
        "rpm": ModelSetting(
            "a number of requests per minute from 0.01", _number_between(0.01, _MAX_NUMBER)
        ),
        "tpm": ModelSetting(
            "a number of tokens per minute from 100", _number_between(100, _MAX_NUMBER)
        ),
        "max_retries": ModelSetting("a whole number from 0", _whole_number_between(0)),
        "reasoning_effort": ModelSetting(
            'a word of the provider\'s, such as "low"', _text_matching(r"\w[\w-]*")
        ),
        "extra_body": ModelSetting(
            "a JSON object, as text, without `messages`, `model` and `stream`, "
            "such as '{\"top_k\": 1}'",
            SettingRule(_is_extra_body, {"type": ["string", "object"]}),
        ),
        "price": ModelSetting(
            'USD per million tokens, as "in/out" or "in/out/cached", such as "0.10/0.40"',
            SettingRule(_is_price, {"type": "string"}),
        ),
        "base_url": ModelSetting(
            "a URL that starts with http:// or https:// and holds no password",
            SettingRule(_is_base_url, {"type": "string", "format": "uri", "pattern": "^https?://"}),
        ),
        "api_key_env": ModelSetting(
            "the name of an environment variable, never the key itself",
            _text_matching(r"[A-Za-z_][A-Za-z0-9_]*"),
        ),
    }
)


def check_setting(name: str, value: object) -> str | None:
    """What is wrong with a setting, as a sentence, or None.

    It never repeats the value: it may be a key.

    >>> check_setting("temperature", 0.2)
    >>> check_setting("temperature", 3)
    '`temperature` takes a number from 0 to 2'
    >>> check_setting("temprature", 0)
    'unknown setting `temprature`: did you mean `temperature`?'
    """
    setting = SETTINGS.get(name)
    if setting is None:
        return f"unknown setting `{name}`: {_setting_advice(name)}"
    if not setting.accepts(value):
        return f"`{name}` takes {setting.allows}"
    return None


def _setting_advice(name: str) -> str:
    near = difflib.get_close_matches(name, SETTINGS, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known are {', '.join(SETTINGS)}"
