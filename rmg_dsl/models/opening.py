"""From a declared model to one that can be asked: names, keys and the stack of wrappers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rmg_dsl.config import Settings
from rmg_dsl.errors import ModelError
from rmg_dsl.messages import Model
from rmg_dsl.models.cache import ReplyCache
from rmg_dsl.models.cache_view import ReplyLookup
from rmg_dsl.models.caching import CachedModel
from rmg_dsl.models.endpoints import Endpoint, Endpoints
from rmg_dsl.models.lexical import LEXICAL_NAME, LexicalModel
from rmg_dsl.models.limiter import ConcurrencyLimitedModel
from rmg_dsl.models.presets import LOCAL_PROVIDER, PRESETS, unknown_provider_message
from rmg_dsl.models.providers.openai import OpenAIChat
from rmg_dsl.models.rate_limit import RateLimitedModel
from rmg_dsl.models.retry import DEFAULT_RETRIES, RetryingModel
from rmg_dsl.models.settings import check_setting

OPENAI = "openai"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as it was declared: who serves it, its name there, its settings, and the name it has in the spec.

    >>> ModelSpec("openai", "gpt-6-luna", {"temperature": 0}, "judge").full_name
    'openai/gpt-6-luna'
    """

    provider: str
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.provider}/{self.name}"


def parse_model_name(text: str) -> tuple[str, str]:
    """Provider and name, split at the first slash; the name is checked against no list. Raises ModelError.

    >>> parse_model_name("openrouter/qwen/qwen3-32b")
    ('openrouter', 'qwen/qwen3-32b')
    """
    provider, _, name = (part.strip() for part in text.partition("/"))
    if not provider or not name:
        raise ModelError(
            f'a model is named "provider/model", such as "openai/gpt-6-luna" or "{LEXICAL_NAME}", not "{text}"'
        )
    return provider, name


def open_model(
    spec: ModelSpec,
    settings: Settings,
    endpoints: Endpoints | None = None,
    *,
    cache: ReplyCache | None = None,
    refresh: bool = False,
) -> Model:
    """The model that `spec` declares, ready to be asked; nothing is sent yet, and no vendor's library is imported.

    >>> open_model(ModelSpec("local", "lexical"), Settings()).name
    'local/lexical'

    Models opened with the same `endpoints` share one client per endpoint, and whoever made these closes them; without,
    the model's own `close()` does. What a `cache` holds is not asked again, unless `refresh` says so; whoever opened
    it closes it, after the last reply. Raises ModelError for a wrong setting, an unknown provider, a missing key.
    """
    problems = [
        found for name, value in spec.settings.items() if (found := check_setting(name, value))
    ]
    if problems:
        raise ModelError(f"model {spec.full_name}: {'; '.join(problems)}")
    if spec.provider == LOCAL_PROVIDER:
        return _open_local_model(spec)
    registry = Endpoints() if endpoints is None else endpoints
    endpoint = registry.endpoint_for(*_endpoint_address(spec, settings))
    chat = _open_chat_model(spec, endpoint, owned=registry if endpoints is None else None)
    model = _with_limits_and_retries(chat, endpoint, spec.settings, settings)
    if cache is None:
        return model
    flights = endpoints.in_flight if endpoints else None
    return CachedModel(model, cache, chat.cache_key, refresh=refresh, flights=flights)


def _open_local_model(spec: ModelSpec) -> Model:
    if spec.full_name != LEXICAL_NAME:
        raise ModelError(
            f"unknown model `{spec.full_name}`: `{LOCAL_PROVIDER}` has one, `{LEXICAL_NAME}`"
        )
    return LexicalModel()


def _with_limits_and_retries(
    model: Model, endpoint: Endpoint, asked: Mapping[str, Any], settings: Settings
) -> Model:
    gate, brake = endpoint.limiter, endpoint.cancellation
    limited = ConcurrencyLimitedModel(model, asked.get("concurrency") or settings.concurrency, gate)
    paced = RateLimitedModel(
        limited, asked.get("rpm"), asked.get("tpm"), endpoint.rate_limit, sleep=brake.sleep
    )
    return RetryingModel(
        paced, asked.get("max_retries", DEFAULT_RETRIES), brake=brake, slots=lambda: gate.limit
    )


def _open_chat_model(spec: ModelSpec, endpoint: Endpoint, owned: Endpoints | None) -> OpenAIChat:
    # OpenAI's own newer models know the limit by its newer name only; most others know the older one only.
    limit = (
        "max_completion_tokens" if endpoint.base_url == PRESETS[OPENAI].base_url else "max_tokens"
    )
    return OpenAIChat(
        endpoint,
        spec.name,
        name=spec.full_name,
        settings=spec.settings,
        key_variable=_key_variable(spec),
        limit=limit,
        owned=owned,
    )


def reply_lookup_of(
    spec: ModelSpec, settings: Settings, cache: ReplyCache | None = None
) -> ReplyLookup:
    """What is known of the model that `spec` declares without asking it: it needs no key, only an endpoint.

    >>> reply_lookup_of(ModelSpec("openai", "gpt-6-luna"), Settings()).cached_reply(b"k" * 32)

    Raises ModelError for an unknown provider.
    """
    chat = _open_chat_model(spec, Endpoint(_base_url(spec, settings)), owned=None)
    return ReplyLookup(spec.full_name, chat.cache_key, cache)


def _endpoint_address(spec: ModelSpec, settings: Settings) -> tuple[str, str | None]:
    """The base URL and the key, both known to be good enough to try."""
    named = "api_key_env" in spec.settings or _custom_base_url(spec, settings) is None
    return _base_url(spec, settings), _api_key(spec, settings, required=named)


def _custom_base_url(spec: ModelSpec, settings: Settings) -> str | None:
    """A base URL that is not the provider's own."""
    return spec.settings.get("base_url") or (
        settings.openai_base_url if spec.provider == OPENAI else None
    )


def _base_url(spec: ModelSpec, settings: Settings) -> str:
    elsewhere = _custom_base_url(spec, settings)
    if elsewhere is None:
        if spec.provider not in PRESETS:
            raise ModelError(unknown_provider_message(spec.provider))
        return PRESETS[spec.provider].base_url
    if wrong := check_setting("base_url", elsewhere):
        raise ModelError(f"OPENAI_BASE_URL is no base URL: {wrong}")
    return elsewhere


def _key_variable(spec: ModelSpec) -> str | None:
    preset = PRESETS.get(spec.provider)
    variable: str | None = spec.settings.get("api_key_env") or (
        preset.key_variable if preset else None
    )
    return variable


def _api_key(spec: ModelSpec, settings: Settings, *, required: bool) -> str | None:
    variable = _key_variable(spec)
    key = (settings.secret(variable) or "").strip() if variable else ""
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelError(
            f"the key in {variable} holds a character that no key has: was more than the key pasted?"
        )
    if variable and required and not key:
        raise ModelError(
            f"{spec.full_name} needs a key, and {variable} is not set: run `export {variable}=…` and try again"
        )
    return key or None
