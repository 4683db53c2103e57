"""The models: everything that answers a question, and the only road to the network.

Importing this loads no vendor's library; the first call does. Each name is loaded when it is first asked for: a check
reads the tables of presets and settings, and has no use for an event loop.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rmg_dsl.models.base import ModelSpec, open_model, parse_model_name
    from rmg_dsl.models.endpoints import Endpoint, Endpoints
    from rmg_dsl.models.lexical import Lexical
    from rmg_dsl.models.openai import OpenAIChat
    from rmg_dsl.models.presets import PRESETS, Preset
    from rmg_dsl.models.scripted import ScriptedModel
    from rmg_dsl.models.settings import SETTINGS, Price, Setting, check_setting
    from rmg_dsl.models.traffic import Limited, Paced, Retrying

_HOMES = {
    "base": "ModelSpec open_model parse_model_name",
    "endpoints": "Endpoint Endpoints",
    "lexical": "Lexical",
    "openai": "OpenAIChat",
    "presets": "PRESETS Preset",
    "scripted": "ScriptedModel",
    "settings": "SETTINGS Price Setting check_setting",
    "traffic": "Limited Paced Retrying",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "PRESETS",
    "SETTINGS",
    "Endpoint",
    "Endpoints",
    "Lexical",
    "Limited",
    "ModelSpec",
    "OpenAIChat",
    "Paced",
    "Preset",
    "Price",
    "Retrying",
    "ScriptedModel",
    "Setting",
    "check_setting",
    "open_model",
    "parse_model_name",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
