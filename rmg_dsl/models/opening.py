"""From a declared model to one that can be called: names, keys and the stack of wrappers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from rmg_dsl.config import Settings
from rmg_dsl.errors import ModelError
from rmg_dsl.messages import Model
from rmg_dsl.models.cache import ReplyCache
from rmg_dsl.models.cache_view import ReplyLookup
from rmg_dsl.models.caching import CachedModel, ReplyStore, UsabilityTest
from rmg_dsl.models.chat_model import ChatModel
from rmg_dsl.models.endpoints import Endpoint, Endpoints
from rmg_dsl.models.lexical import LEXICAL_NAME, LexicalModel
from rmg_dsl.models.limiter import ConcurrencyLimitedModel
from rmg_dsl.models.permissions import NO_PERMISSIONS, Destination, Permissions, destination_of
from rmg_dsl.models.presets import LOCAL_PROVIDER, PRESETS, Preset, unknown_provider_message
from rmg_dsl.models.proxies import check_network_settings
from rmg_dsl.models.rate_limit import RateLimitedModel
from rmg_dsl.models.retry import DEFAULT_RETRIES, RetryingModel
from rmg_dsl.models.settings import ModelSettings, check_setting


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A declared model: its provider, its name there, its settings, and its label in the spec.

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
    """Provider and model name, split at the first slash. Raises ModelError where one is missing.

    >>> parse_model_name("openrouter/qwen/qwen3-32b")
    ('openrouter', 'qwen/qwen3-32b')
    """
    provider, _, name = (part.strip() for part in text.partition("/"))
    if not provider or not name:
        raise ModelError(
            f'a model is named "provider/model", such as "openai/gpt-6-luna" or "{LEXICAL_NAME}", '
            f'not "{text}"'
        )
    return provider, name


def open_model(
    spec: ModelSpec,
    settings: Settings,
    endpoints: Endpoints | None = None,
    *,
    cache: ReplyStore | None = None,
    refresh: bool = False,
    is_usable: UsabilityTest | None = None,
    permissions: Permissions | None = None,
) -> Model:
    """The model that `spec` declares, ready for calls. It sends nothing and imports no client yet.

    >>> open_model(ModelSpec("local", "lexical"), Settings()).name
    'local/lexical'

    Models with the same `endpoints` share one client per endpoint, and the caller closes them.
    Without `endpoints` the model's own `close()` does. Replies in `cache` are used instead of
    calls; with `refresh` they are overwritten, and so are those that `is_usable` refuses. The
    caller closes the cache after the last reply.
    Raises ModelError for a wrong setting, an unknown provider, a missing base URL, a missing key,
    and a host or a variable that only the spec names and `permissions` (without them, those of the
    environment) do not allow.
    """
    model_settings = _checked_settings(spec)
    if spec.provider == LOCAL_PROVIDER:
        return _open_local_model(spec)
    registry = Endpoints() if endpoints is None else endpoints
    destination = model_destination(spec, settings, permissions or permissions_of(settings))
    if destination.problem:
        raise ModelError(destination.problem, code="RMG607")
    key = _api_key(spec, settings, destination.key_variable)
    base_url = _base_url(spec, settings)
    check_network_settings(base_url, settings)
    endpoint = registry.endpoint_for(base_url, key)
    chat = _open_chat_model(
        spec,
        endpoint,
        owned=registry if endpoints is None else None,
        key_advice=_key_advice(destination, has_key=key is not None),
    )
    model = _with_limits_and_retries(chat, endpoint, model_settings, settings)
    if cache is None:
        return model
    return CachedModel(
        model,
        cache,
        chat.cache_key,
        refresh=refresh,
        in_flight=registry.in_flight,
        is_usable=is_usable,
    )


def _checked_settings(spec: ModelSpec) -> ModelSettings:
    results = [check_setting(name, value) for name, value in spec.settings.items()]
    problems = [problem for problem in results if problem]
    if problems:
        raise ModelError(f"model {spec.full_name}: {'; '.join(problems)}")
    return cast(ModelSettings, spec.settings)


def _open_local_model(spec: ModelSpec) -> Model:
    if spec.full_name != LEXICAL_NAME:
        raise ModelError(
            f"unknown model `{spec.full_name}`: `{LOCAL_PROVIDER}` has one, `{LEXICAL_NAME}`"
        )
    return LexicalModel()


def _with_limits_and_retries(
    model: Model, endpoint: Endpoint, model_settings: ModelSettings, settings: Settings
) -> Model:
    limiter, cancellation = endpoint.limiter, endpoint.cancellation
    concurrency = model_settings.get("concurrency") or settings.concurrency
    max_retries = model_settings.get("max_retries", DEFAULT_RETRIES)
    limited = ConcurrencyLimitedModel(model, concurrency, limiter, holds=max_retries > 0)
    spaced = RateLimitedModel(
        limited,
        model_settings.get("rpm"),
        model_settings.get("tpm"),
        endpoint.rate_limit,
        sleep=cancellation.sleep,
    )
    return RetryingModel(
        spaced,
        max_retries,
        cancellation=cancellation,
        slots=lambda: limiter.limit,
    )


def _open_chat_model(
    spec: ModelSpec, endpoint: Endpoint, owned: Endpoints | None = None, key_advice: str = ""
) -> ChatModel:
    preset = PRESETS.get(spec.provider, _UNLISTED)
    return ChatModel(
        endpoint,
        spec.name,
        name=spec.full_name,
        settings=_checked_settings(spec),
        key_advice=key_advice,
        url_setting=_url_setting(spec),
        wire_format=preset.wire_format,
        owned=owned,
    )


def reply_lookup_of(
    spec: ModelSpec, settings: Settings, cache: ReplyCache | None = None
) -> ReplyLookup:
    """The cached replies of the model that `spec` declares, without a key and without a call.

    >>> reply_lookup_of(ModelSpec("openai", "gpt-6-luna"), Settings()).cached_reply(b"k" * 32)

    Raises ModelError for a wrong setting, an unknown provider or a missing base URL.
    """
    chat = _open_chat_model(spec, Endpoint(_base_url(spec, settings)))
    return ReplyLookup(chat.cache_key, cache)


# ── where a model is, and with which key ──

# For a provider that is not in the table: `base_url=` says where it is.
_UNLISTED = Preset("")


def model_destination(
    spec: ModelSpec, settings: Settings, permissions: Permissions = NO_PERMISSIONS
) -> Destination:
    """Where the rows and the key of a model go, without reading the key.

    >>> destination = model_destination(ModelSpec("openai", "gpt-6-luna"), Settings())
    >>> str(destination.origin), destination.key_variable
    ('https://api.openai.com', 'OPENAI_API_KEY')

    Raises ModelError for an unknown provider or a missing base URL.
    """
    preset = PRESETS.get(spec.provider, _UNLISTED)
    return destination_of(
        _base_url(spec, settings),
        is_url_of_spec=bool(spec.settings.get("base_url")),
        preset=preset,
        preset_url=_url_from_environment(preset, settings),
        declared_variable=spec.settings.get("api_key_env"),
        permissions=permissions,
        label=spec.label or spec.full_name,
    )


def permissions_of(
    settings: Settings, hosts: Iterable[str] = (), variables: Iterable[str] = ()
) -> Permissions:
    """The permissions of the environment, and the caller's own."""
    return Permissions.of(
        [*hosts, *settings.names("RMG_ALLOW_HOSTS")],
        [*variables, *settings.names("RMG_ALLOW_ENV")],
    )


def _url_setting(spec: ModelSpec) -> str:
    """What gives the base URL, in words."""
    if spec.settings.get("base_url"):
        return "`base_url`"
    return PRESETS.get(spec.provider, _UNLISTED).url_variable or "the base URL"


def _key_advice(destination: Destination, *, has_key: bool) -> str:
    """What to do about the key if the endpoint rejects it."""
    if has_key:
        return f"is {destination.key_variable} right?"
    if destination.key_variable is not None:
        return f"no key was sent: set {destination.key_variable}"
    if destination.withheld_variable is None:
        return "no key was sent: set one by api_key_env="
    return (
        "no key was sent, because only the spec names this host: "
        f"--allow-host {destination.origin.address} sends it the key in "
        f"{destination.withheld_variable}"
    )


def _is_elsewhere(spec: ModelSpec, settings: Settings) -> bool:
    """Whether the calls go to a server that is not the provider's own, such as a proxy."""
    if spec.settings.get("base_url"):
        return True
    preset = PRESETS.get(spec.provider, _UNLISTED)
    # A provider whose customers all have their own URL is at that URL.
    return not preset.base_url_is_example and _url_from_environment(preset, settings) is not None


def _base_url(spec: ModelSpec, settings: Settings) -> str:
    declared: str | None = spec.settings.get("base_url")
    if declared:
        return declared
    preset = PRESETS.get(spec.provider)
    if preset is None:
        raise ModelError(unknown_provider_message(spec.provider))
    url = _url_from_environment(preset, settings)
    if url is not None:
        return url
    if preset.base_url_is_example:
        raise ModelError(
            f"{spec.full_name} needs a base URL: set {preset.url_variable}, such as "
            f"{preset.base_url}, or give base_url="
        )
    return preset.base_url


def _url_from_environment(preset: Preset, settings: Settings) -> str | None:
    if preset.url_variable is None:
        return None
    url = settings.variable(preset.url_variable)
    if url is None:
        return None
    problem = check_setting("base_url", url)
    if problem:
        raise ModelError(f"{preset.url_variable} is no base URL: {problem}")
    return url


def _api_key(spec: ModelSpec, settings: Settings, variable: str | None) -> str | None:
    """The key in a variable. Raises ModelError where it is missing or no key."""
    if variable is None:
        return None
    key = (settings.secret(variable) or "").strip()
    if not key:
        if "api_key_env" in spec.settings or not _is_elsewhere(spec, settings):
            raise ModelError(
                f"{spec.full_name} needs a key, and {variable} is not set: "
                f"run `export {variable}=…` and try again"
            )
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(
            f"the key in {variable} holds a character that no key has: "
            "was more than the key pasted?"
        )
    return key
