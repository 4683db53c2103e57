"""What a wire format must do: requests to HTTP bodies, HTTP responses to replies."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, TypeAlias

from rmg_dsl.messages import Reply, ReplyFormat, Request
from rmg_dsl.models.http_response import HttpResponse, error_details_of
from rmg_dsl.models.settings import ModelSettings

# How strictly an endpoint holds a reply to its format: a JSON schema, any JSON object, nothing.
SCHEMA, OBJECT, FREE = range(3)


@dataclass(frozen=True, slots=True)
class EndpointSupport:
    """What one model's endpoint accepts, as far as its rejections have shown.

    `format_level` is SCHEMA, OBJECT or FREE. `rejected_settings` names the defaults of ours that
    the endpoint rejected. `token_limit_field` is the endpoint's name for `max_tokens`.
    """

    format_level: int = SCHEMA
    rejected_settings: frozenset[str] = frozenset()
    token_limit_field: str = "max_tokens"

    def __or__(self, other: EndpointSupport) -> EndpointSupport:
        limit = self.token_limit_field
        if limit == "max_tokens":
            limit = other.token_limit_field
        return EndpointSupport(
            max(self.format_level, other.format_level),
            self.rejected_settings | other.rejected_settings,
            limit,
        )

    def without_setting(self, name: str) -> EndpointSupport:
        return replace(self, rejected_settings=self.rejected_settings | {name})


class ProviderTarget(NamedTuple):
    """What a provider encodes for: the model's name there, its checked settings, the base URL."""

    model: str
    settings: ModelSettings
    base_url: str


class Provider(Protocol):
    """One wire format, made for one model. It keeps no key and opens no connection.

    To add a provider, write a file with a class like this one and set `PROVIDER` to it, then add a
    row to `presets.PRESETS`. The constructor takes a `ProviderTarget` and raises ModelError for
    settings that the format cannot send.
    """

    @property
    def path(self) -> str:
        """What follows the base URL, before its query."""

    def initial_support(self) -> EndpointSupport:
        """What to assume before the first call."""

    def encode(self, request: Request, support: EndpointSupport) -> bytes:
        """The body of a call. Raises UnicodeEncodeError for a lone surrogate, else CallError."""

    def decode(self, response: HttpResponse, caller: str, key_hint: str = "") -> Reply:
        """The reply in a response, for one call. Raises CallError where there is none.

        `caller` is the model's full name and `key_hint` a sentence about the key, both for
        messages.
        """

    def learn_from_rejection(
        self, response: HttpResponse, support: EndpointSupport, reply_format: ReplyFormat
    ) -> EndpointSupport | None:
        """What to send instead after a rejection of something the author did not write, or None."""

    def headers(self, key: str | None) -> dict[str, str]:
        """The headers of a call, the key among them."""

    def identity(self, reply_format: ReplyFormat, draw: int) -> list[object]:
        """Whatever decides the reply, except the messages: JSON data for the key of the cache."""


ProviderFactory: TypeAlias = Callable[[ProviderTarget], Provider]


def create_provider(wire_format: str, target: ProviderTarget) -> Provider:
    """The provider of the module `providers.<wire_format>`, for one model.

    >>> create_provider("openai", ProviderTarget("tiny", {}, "http://localhost:8000/v1")).path
    '/chat/completions'

    The module is imported at the first use, so that `rmg check` does not load wire formats. Raises
    ModelError where the format cannot send the settings.
    """
    module = importlib.import_module(f"rmg_dsl.models.providers.{wire_format}")
    factory: ProviderFactory = module.PROVIDER
    return factory(target)


def rejects_default_temperature(
    response: HttpResponse, droppable: frozenset[str], support: EndpointSupport, *, by_param: bool
) -> bool:
    """Whether a response rejects the temperature, and we chose it.

    With `by_param` only a complaint whose `param` names it counts, else any sentence about it.
    """
    if response.status not in (400, 422):
        return False
    if "temperature" not in droppable - support.rejected_settings:
        return False
    complaint = error_details_of(response)
    if by_param:
        return complaint.param == "temperature"
    return complaint.is_about("temperature")
