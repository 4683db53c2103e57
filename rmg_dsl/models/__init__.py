"""The models: everything that answers a question, and the only road to the network.

Importing this loads no vendor's library; the first call does.
"""

from rmg_dsl.models.base import ModelSpec, open_model, parse_model_name
from rmg_dsl.models.endpoints import Endpoint, Endpoints
from rmg_dsl.models.lexical import Lexical
from rmg_dsl.models.openai import OpenAIChat
from rmg_dsl.models.presets import PRESETS, Preset
from rmg_dsl.models.scripted import ScriptedModel
from rmg_dsl.models.settings import SETTINGS, Price, Setting, check_setting
from rmg_dsl.models.traffic import Limited, Paced, Retrying

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
