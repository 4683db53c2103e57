"""The models: everything that answers a question, and the only road to the network.

Importing this loads no vendor's library; the first call does. Each name is loaded when it is first asked for: a check
reads the tables of presets and settings, and has no use for an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazily

if TYPE_CHECKING:
    from rmg_dsl.models.base import ModelSpec, memory_of, open_model, parse_model_name
    from rmg_dsl.models.brake import Abandoned, Brake
    from rmg_dsl.models.cache import FILE_NAME, CacheError, CacheInfo, ReplyCache
    from rmg_dsl.models.cached import Cached, Flights
    from rmg_dsl.models.endpoints import Endpoint, Endpoints
    from rmg_dsl.models.lexical import Lexical
    from rmg_dsl.models.memory import Memory
    from rmg_dsl.models.openai import OpenAIChat
    from rmg_dsl.models.pacing import Pace, Paced
    from rmg_dsl.models.presets import PRESETS, Preset
    from rmg_dsl.models.prices import Price
    from rmg_dsl.models.scripted import ScriptedModel
    from rmg_dsl.models.settings import SETTINGS, Setting, check_setting
    from rmg_dsl.models.throttle import Throttle
    from rmg_dsl.models.traffic import Gate, Limited, Retrying

_HOMES = {
    "base": "ModelSpec memory_of open_model parse_model_name",
    "brake": "Abandoned Brake",
    "cache": "FILE_NAME CacheError CacheInfo ReplyCache",
    "cached": "Cached Flights",
    "endpoints": "Endpoint Endpoints",
    "lexical": "Lexical",
    "memory": "Memory",
    "openai": "OpenAIChat",
    "pacing": "Pace Paced",
    "presets": "PRESETS Preset",
    "scripted": "ScriptedModel",
    "prices": "Price",
    "settings": "SETTINGS Setting check_setting",
    "throttle": "Throttle",
    "traffic": "Gate Limited Retrying",
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
