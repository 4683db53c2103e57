"""The format of OpenAI's chat completions, which most providers and local servers share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import replace
from functools import cache

from rmg_dsl.messages import Reply, ReplyFormat, Request
from rmg_dsl.models.http_errors import call_error_of
from rmg_dsl.models.http_response import HttpResponse, error_details_of
from rmg_dsl.models.presets import PRESETS
from rmg_dsl.models.providers.chat_completion import reply_from_response
from rmg_dsl.models.providers.provider import (
    FREE,
    OBJECT,
    SCHEMA,
    EndpointSupport,
    ProviderTarget,
    rejects_default_temperature,
)
from rmg_dsl.models.reply_schema import response_format
from rmg_dsl.models.settings import ModelSettings, extra_body_of

MAX_TOP_LOGPROBS = 20  # the most alternatives for a token that a provider gives

# Only the first word counts where its probabilities are the verdict.
_LOGPROBS_MAX_TOKENS = 8
_FORMAT_STATUSES = frozenset({400, 404, 415, 422, 501})
_FORMAT_WORDS = ("response_format", "json_schema", "json_object", "schema", "structured output")


class ChatCompletions:
    """The chat completions of one model. A body asks for a JSON schema while that is accepted.

    >>> provider = ChatCompletions(ProviderTarget("tiny", {}, "http://localhost:8000/v1"))
    >>> provider.headers("sk-1")
    {'Authorization': 'Bearer sk-1'}
    """

    def __init__(self, target: ProviderTarget) -> None:
        self._model = target.model
        self._base_url = target.base_url
        self._settings = target.settings
        self._droppable = droppable_defaults(target.settings)
        # What surrounds the messages is the same for all rows of a grader: it is encoded once.
        self._frame = cache(self._encode_frame)

    @property
    def path(self) -> str:
        return "/chat/completions"

    def initial_support(self) -> EndpointSupport:
        # OpenAI's newer models accept the newer name only; most other servers know the older one.
        if self._base_url == PRESETS["openai"].base_url:
            return EndpointSupport(token_limit_field="max_completion_tokens")
        return EndpointSupport()

    def encode(self, request: Request, support: EndpointSupport) -> bytes:
        head, tail = self._frame(request.question.reply_format, request.draw, support)
        return head + request.encoded_messages + tail

    def _encode_frame(
        self, reply_format: ReplyFormat, draw: int, support: EndpointSupport
    ) -> tuple[bytes, bytes]:
        settings = json.dumps(chat_settings(self._settings, reply_format, draw, support))[1:-1]
        head = f'{{"model": {json.dumps(self._model)}, "messages": '
        tail = f", {settings}}}" if settings else "}"
        return head.encode(), tail.encode()

    def decode(self, response: HttpResponse, caller: str, key_hint: str = "") -> Reply:
        if not response.is_success:
            raise call_error_of(response, caller, key_hint)
        return reply_from_response(response, caller)

    def learn_from_rejection(
        self, response: HttpResponse, support: EndpointSupport, reply_format: ReplyFormat
    ) -> EndpointSupport | None:
        droppable = self._droppable
        if reply_format.wants_logprobs:
            # Such a call has no `response_format`, and its token limit is ours.
            droppable = (droppable - {"response_format"}) | {"limit"}
        return learn_from_rejection(response, support, droppable)

    def headers(self, key: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def identity(self, reply_format: ReplyFormat, draw: int) -> list[object]:
        # What an endpoint has rejected does not count: the same question keeps its key.
        settings = chat_settings(self._settings, reply_format, draw, EndpointSupport())
        return [1, self._base_url, self._model, settings, draw]


PROVIDER = ChatCompletions


def chat_settings(
    settings: ModelSettings, reply_format: ReplyFormat, draw: int, support: EndpointSupport
) -> dict[str, object]:
    """The fields of a body beside its messages: our defaults, the author's settings, `extra_body`.

    >>> from rmg_dsl.scales import Whole
    >>> support = EndpointSupport(format_level=FREE)
    >>> chat_settings({"top_p": 0.5, "seed": 7}, ReplyFormat(Whole(1, 5)), 2, support)
    {'temperature': 1, 'top_p': 0.5, 'seed': 9}

    The default temperature is 0 for draw 0 and 1 for the draws from 1 on. A seed is raised by the
    number of the draw: repeats with the same seed would give the same reply.
    """
    defaults: dict[str, object] = {"temperature": 1 if draw else 0}
    defaults |= _reply_format_fields(reply_format, support)
    for name in support.rejected_settings:
        defaults.pop(name, None)
    extra_body = extra_body_of(settings.get("extra_body", {})) or {}
    return {**defaults, **_written_fields(settings, draw, support), **extra_body}


def _written_fields(
    settings: ModelSettings, draw: int, support: EndpointSupport
) -> dict[str, object]:
    """The fields for what the author wrote."""
    fields: dict[str, object] = {}
    for name in ("temperature", "top_p", "reasoning_effort"):
        if name in settings:
            fields[name] = settings[name]
    if "max_tokens" in settings:
        fields[support.token_limit_field] = settings["max_tokens"]
    if "seed" in settings:
        fields["seed"] = settings["seed"] + draw
    return fields


def _reply_format_fields(
    reply_format: ReplyFormat, support: EndpointSupport
) -> Mapping[str, object]:
    """The fields that hold a reply to its format."""
    if reply_format.scale.is_text:
        return {}
    if reply_format.wants_logprobs:
        return {
            "logprobs": True,
            "top_logprobs": MAX_TOP_LOGPROBS,
            support.token_limit_field: _LOGPROBS_MAX_TOKENS,
        }
    if support.format_level == SCHEMA:
        return {"response_format": response_format(reply_format.scale, reply_format.criteria_count)}
    if support.format_level == OBJECT:
        return {"response_format": {"type": "json_object"}}
    return {}


def droppable_defaults(settings: ModelSettings) -> frozenset[str]:
    """The fields that we choose and may take back. What the author wrote is never changed."""
    extra_body = extra_body_of(settings.get("extra_body", {})) or {}
    free = frozenset({"temperature", "response_format"}) - {*settings, *extra_body}
    if "max_tokens" in settings:
        # The author wrote the limit, but not the name of its field.
        return free | {"limit"}
    return free


def learn_from_rejection(
    response: HttpResponse, support: EndpointSupport, droppable: Set[str]
) -> EndpointSupport | None:
    """What a rejection says about a field of ours: support without it, or None.

    >>> body = {"error": {"message": "Unsupported value", "param": "temperature"}}
    >>> droppable = {"temperature", "response_format"}
    >>> lesson = learn_from_rejection(HttpResponse(400, body), EndpointSupport(), droppable)
    >>> lesson.rejected_settings
    frozenset({'temperature'})
    """
    ours = frozenset(droppable)
    # A complaint that names the field apart is sure; a sentence that mentions it comes last.
    if rejects_default_temperature(response, ours, support, by_param=True):
        return support.without_setting("temperature")
    has_lower_level = "response_format" in ours and support.format_level < FREE
    if has_lower_level and _rejects_format(response):
        return replace(support, format_level=support.format_level + 1)
    if rejects_default_temperature(response, ours, support, by_param=False):
        return support.without_setting("temperature")
    if "limit" in ours and _wants_newer_limit(response, support):
        return replace(support, token_limit_field="max_completion_tokens")
    return None


def _wants_newer_limit(response: HttpResponse, support: EndpointSupport) -> bool:
    if response.status != 400 or support.token_limit_field != "max_tokens":
        return False
    return "max_completion_tokens" in error_details_of(response).message


def _rejects_format(response: HttpResponse) -> bool:
    complaint = error_details_of(response)
    if response.status == 500:
        # llama-cpp-python answers 500 to a request that does not validate: only sure words count.
        return complaint.mentions(_FORMAT_WORDS[:3])
    return response.status in _FORMAT_STATUSES and complaint.mentions(_FORMAT_WORDS)
