"""The models: everything that answers a question, and the only road to the network.

Importing this loads no vendor's library; the first call does. Each name is loaded when it is first asked for: a check
reads the tables of presets and settings, and has no use for an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazily

if TYPE_CHECKING:
    from rmg_dsl.models.adaptive_limit import Throttle
    from rmg_dsl.models.cache import FILE_NAME, CacheError, CacheInfo, ReplyCache
    from rmg_dsl.models.cache_view import Memory
    from rmg_dsl.models.caching import Cached, Flights
    from rmg_dsl.models.cancellation import Abandoned, Brake
    from rmg_dsl.models.endpoints import Endpoint, Endpoints
    from rmg_dsl.models.lexical import Lexical
    from rmg_dsl.models.limiter import Gate, Limited
    from rmg_dsl.models.opening import ModelSpec, memory_of, open_model, parse_model_name
    from rmg_dsl.models.presets import PRESETS, Preset
    from rmg_dsl.models.prices import Price
    from rmg_dsl.models.providers.openai import OpenAIChat
    from rmg_dsl.models.rate_limit import Pace, Paced
    from rmg_dsl.models.retry import Retrying
    from rmg_dsl.models.scripted import ScriptedModel
    from rmg_dsl.models.settings import SETTINGS, Setting, check_setting

_HOMES = {
    "opening": "ModelSpec memory_of open_model parse_model_name",
    "cancellation": "Abandoned Brake",
    "cache": "FILE_NAME CacheError CacheInfo ReplyCache",
    "caching": "Cached Flights",
    "endpoints": "Endpoint Endpoints",
    "lexical": "Lexical",
    "cache_view": "Memory",
    "providers.openai": "OpenAIChat",
    "rate_limit": "Pace Paced",
    "presets": "PRESETS Preset",
    "scripted": "ScriptedModel",
    "prices": "Price",
    "settings": "SETTINGS Setting check_setting",
    "adaptive_limit": "Throttle",
    "limiter": "Gate Limited",
    "retry": "Retrying",
}

__all__ = [
    "FILE_NAME",
    "PRESETS",
    "SETTINGS",
    "Abandoned",
    "Brake",
    "CacheError",
    "CacheInfo",
    "Cached",
    "Endpoint",
    "Endpoints",
    "Flights",
    "Gate",
    "Lexical",
    "Limited",
    "Memory",
    "ModelSpec",
    "OpenAIChat",
    "Pace",
    "Paced",
    "Preset",
    "Price",
    "ReplyCache",
    "Retrying",
    "ScriptedModel",
    "Setting",
    "Throttle",
    "check_setting",
    "memory_of",
    "open_model",
    "parse_model_name",
]


if not TYPE_CHECKING:  # so that a name which is none stays a mistake for a type checker
    __getattr__ = lazily(__name__, _HOMES)
