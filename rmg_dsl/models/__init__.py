"""The models: whatever replies to a request, and the only room that uses the network.

Each name is imported at its first use, and client libraries at the first call: `rmg check` reads
the tables of presets and settings and needs no event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmg_dsl.lazy import lazy_getattr

if TYPE_CHECKING:
    from rmg_dsl.models.adaptive_limit import AdaptiveLimit
    from rmg_dsl.models.cache import FILE_NAME, CacheError, CacheInfo, ReplyCache
    from rmg_dsl.models.cache_view import ReplyLookup
    from rmg_dsl.models.caching import CachedModel, InFlightRequests, ReplyStore
    from rmg_dsl.models.cancellation import CallCancelled, Cancellation
    from rmg_dsl.models.chat_model import ChatModel
    from rmg_dsl.models.endpoints import Endpoint, Endpoints
    from rmg_dsl.models.lexical import LexicalModel
    from rmg_dsl.models.limiter import CallLimiter, ConcurrencyLimitedModel
    from rmg_dsl.models.opening import (
        ModelSpec,
        model_destination,
        open_model,
        parse_model_name,
        permissions_of,
        reply_lookup_of,
    )
    from rmg_dsl.models.permissions import Permissions
    from rmg_dsl.models.presets import LOCAL_PROVIDER, PRESETS, Preset
    from rmg_dsl.models.prices import Price
    from rmg_dsl.models.rate_limit import RateLimit, RateLimitedModel
    from rmg_dsl.models.retry import RetryingModel
    from rmg_dsl.models.run_replies import RunReplies
    from rmg_dsl.models.scripted import ScriptedModel
    from rmg_dsl.models.settings import SETTINGS, ModelSetting, check_setting

_HOMES = {
    "adaptive_limit": "AdaptiveLimit",
    "cache": "FILE_NAME CacheError CacheInfo ReplyCache",
    "cache_view": "ReplyLookup",
    "caching": "CachedModel InFlightRequests ReplyStore",
    "cancellation": "CallCancelled Cancellation",
    "chat_model": "ChatModel",
    "endpoints": "Endpoint Endpoints",
    "lexical": "LexicalModel",
    "limiter": "CallLimiter ConcurrencyLimitedModel",
    "opening": (
        "ModelSpec model_destination open_model parse_model_name permissions_of reply_lookup_of"
    ),
    "permissions": "Permissions",
    "presets": "LOCAL_PROVIDER PRESETS Preset",
    "prices": "Price",
    "rate_limit": "RateLimit RateLimitedModel",
    "retry": "RetryingModel",
    "run_replies": "RunReplies",
    "scripted": "ScriptedModel",
    "settings": "SETTINGS ModelSetting check_setting",
}

__all__ = [
    "FILE_NAME",
    "LOCAL_PROVIDER",
    "PRESETS",
    "SETTINGS",
    "AdaptiveLimit",
    "CacheError",
    "CacheInfo",
    "CachedModel",
    "CallCancelled",
    "CallLimiter",
    "Cancellation",
    "ChatModel",
    "ConcurrencyLimitedModel",
    "Endpoint",
    "Endpoints",
    "InFlightRequests",
    "LexicalModel",
    "ModelSetting",
    "ModelSpec",
    "Permissions",
    "Preset",
    "Price",
    "RateLimit",
    "RateLimitedModel",
    "ReplyCache",
    "ReplyLookup",
    "ReplyStore",
    "RetryingModel",
    "RunReplies",
    "ScriptedModel",
    "check_setting",
    "model_destination",
    "open_model",
    "parse_model_name",
    "permissions_of",
    "reply_lookup_of",
]


if not TYPE_CHECKING:  # a type checker must still report unknown names
    __getattr__ = lazy_getattr(__name__, _HOMES)
