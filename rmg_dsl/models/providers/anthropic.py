"""Anthropic's Messages API. A verdict is the input of one tool that the model is forced to call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from urllib.parse import urlsplit

from rmg_dsl.errors import CallError, ModelError
from rmg_dsl.messages import Message, Reply, ReplyFormat, Request, Usage
from rmg_dsl.models.http_errors import call_error_of, embedded_error, malformed_reply_error
from rmg_dsl.models.http_response import HttpResponse, error_details_of, token_count
from rmg_dsl.models.providers.provider import (
    FREE,
    SCHEMA,
    EndpointSupport,
    ProviderTarget,
    rejects_default_temperature,
)
from rmg_dsl.models.reply_schema import reply_schema
from rmg_dsl.models.settings import ModelSettings, extra_body_of

API_VERSION = "2023-06-01"
# The API requires a limit. This one is enough for a verdict with its reason, and for a long answer.
DEFAULT_MAX_TOKENS = 4096

_TOOL_NAME = "verdict"
_TOOL_WORDS = ("tool_choice", "tools", "input_schema", "tool use")
_DECLINED = "the model declined to answer"
# The readers of replies know the words of chat completions.
_FINISH_WORDS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}


class AnthropicMessages:
    """The messages of one model. The base URL may end in `/v1` or before it.

    >>> provider = AnthropicMessages(ProviderTarget("claude", {}, "https://api.anthropic.com/v1"))
    >>> provider.path, provider.headers("sk-1")
    ('/messages', {'anthropic-version': '2023-06-01', 'x-api-key': 'sk-1'})

    Raises ModelError for `seed` and for a `temperature` above 1, which the API does not know, and
    CallError for a question that needs probabilities.
    """

    def __init__(self, target: ProviderTarget) -> None:
        _check_settings(target)
        self._model = target.model
        self._base_url = target.base_url
        self._settings = target.settings
        self._droppable = _droppable_fields(target.settings)
        self._frame = cache(self._encode_frame)

    @property
    def path(self) -> str:
        # `ANTHROPIC_BASE_URL` of other tools has no `/v1`.
        if urlsplit(self._base_url).path.endswith("/v1"):
            return "/messages"
        return "/v1/messages"

    def initial_support(self) -> EndpointSupport:
        return EndpointSupport()

    def encode(self, request: Request, support: EndpointSupport) -> bytes:
        reply_format = request.question.reply_format
        if reply_format.wants_logprobs:
            raise CallError(
                f"anthropic/{self._model} gives no probabilities; "
                "take `logprobs = True` out, or ask another model"
            )
        frame = self._frame(reply_format, request.draw, support)
        return frame + _encode_messages(request.messages)

    def _encode_frame(
        self, reply_format: ReplyFormat, draw: int, support: EndpointSupport
    ) -> bytes:
        """The body up to its messages, which is the same for all rows of a grader."""
        fields: dict[str, object] = {"model": self._model}
        fields |= message_settings(self._settings, reply_format, draw, support)
        return json.dumps(fields)[:-1].encode()

    def decode(self, response: HttpResponse, caller: str, key_hint: str = "") -> Reply:
        if not response.is_success:
            raise call_error_of(response, caller, key_hint)
        return _reply_from_message(response, caller)

    def learn_from_rejection(
        self,
        response: HttpResponse,
        support: EndpointSupport,
        reply_format: ReplyFormat,  # noqa: ARG002 - part of the protocol
    ) -> EndpointSupport | None:
        # Newer models take no temperature, or none beside `top_p`.
        if rejects_default_temperature(response, self._droppable, support, by_param=False):
            return support.without_setting("temperature")
        has_tool = "tool_choice" in self._droppable and support.format_level == SCHEMA
        # A model that is told to think (by `extra_body`) cannot be forced to call a tool.
        is_rejected = response.status == 400 and error_details_of(response).mentions(_TOOL_WORDS)
        if has_tool and is_rejected:
            return replace(support, format_level=FREE)
        return None

    def headers(self, key: str | None) -> dict[str, str]:
        headers = {"anthropic-version": API_VERSION}
        if key:
            headers["x-api-key"] = key
        return headers

    def identity(self, reply_format: ReplyFormat, draw: int) -> list[object]:
        settings = message_settings(self._settings, reply_format, draw, EndpointSupport())
        return ["anthropic", self._base_url, self._model, settings, draw]


PROVIDER = AnthropicMessages


# ── what is sent ──


def _check_settings(target: ProviderTarget) -> None:
    name = f"anthropic/{target.model}"
    if "seed" in target.settings:
        raise ModelError(f"{name} takes no `seed`: Anthropic's API has none")
    if target.settings.get("temperature", 0) > 1:
        raise ModelError(f"{name} takes a `temperature` from 0 to 1")


def _droppable_fields(settings: ModelSettings) -> frozenset[str]:
    """The fields that we choose and may take back. What the author wrote is never changed."""
    extra_body = extra_body_of(settings.get("extra_body", {})) or {}
    return frozenset({"temperature", "tool_choice"}) - {*settings, *extra_body}


def message_settings(
    settings: ModelSettings, reply_format: ReplyFormat, draw: int, support: EndpointSupport
) -> dict[str, object]:
    """The fields of a body beside its messages: our defaults, the author's settings, `extra_body`.

    >>> from rmg_dsl.scales import Whole
    >>> support = EndpointSupport(format_level=FREE)
    >>> message_settings({"reasoning_effort": "low"}, ReplyFormat(Whole(1, 5)), 0, support)
    {'max_tokens': 4096, 'temperature': 0, 'output_config': {'effort': 'low'}}

    The default temperature is 0 for draw 0 and 1 for the draws from 1 on.
    """
    fields: dict[str, object] = {
        "max_tokens": settings.get("max_tokens", DEFAULT_MAX_TOKENS),
        "temperature": 1 if draw else 0,
    }
    fields |= _tool_fields(reply_format, support)
    for name in support.rejected_settings:
        fields.pop(name, None)
    if "temperature" in settings:
        fields["temperature"] = settings["temperature"]
    if "top_p" in settings:
        fields["top_p"] = settings["top_p"]
    if "reasoning_effort" in settings:
        fields["output_config"] = {"effort": settings["reasoning_effort"]}
    return fields | (extra_body_of(settings.get("extra_body", {})) or {})


def _tool_fields(reply_format: ReplyFormat, support: EndpointSupport) -> dict[str, object]:
    """The fields that force a verdict; none for a writer's text."""
    scale = reply_format.scale
    if scale.is_text or support.format_level != SCHEMA:
        return {}
    tool = {
        "name": _TOOL_NAME,
        "description": "Give your reason and your verdict.",
        "input_schema": reply_schema(scale, reply_format.criteria_count),
    }
    choice = {"type": "tool", "name": _TOOL_NAME, "disable_parallel_tool_use": True}
    return {"tools": [tool], "tool_choice": choice}


def _encode_messages(messages: tuple[Message, ...]) -> bytes:
    """The rest of a body: the messages, with those of the system in a field of their own."""
    # The API rejects an empty message: a blank reply that is asked again is left out.
    messages = tuple(message for message in messages if message.content.strip())
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    chat = [
        {"role": message.role, "content": message.content}
        for message in messages
        if message.role != "system"
    ]
    if not chat:
        # The API requires a message of a user.
        chat, system = [{"role": "user", "content": system}], ""
    fields: dict[str, object] = {"messages": chat}
    if system:
        fields = {"system": system, **fields}
    return b", " + json.dumps(fields, ensure_ascii=False)[1:].encode()


# ── what comes back ──


def _reply_from_message(response: HttpResponse, caller: str) -> Reply:
    body = response.body
    if not isinstance(body, dict):
        raise malformed_reply_error(response, caller, "no JSON object")
    if body.get("error"):
        raise embedded_error(response, body["error"], caller)
    content = body.get("content")
    if not isinstance(content, list):
        raise malformed_reply_error(response, caller, "a message without content")
    text = _message_text(content)
    stop_reason = body.get("stop_reason")
    finish = _FINISH_WORDS.get(stop_reason, stop_reason) if isinstance(stop_reason, str) else None
    refusal = None
    if stop_reason == "refusal":
        refusal = _refusal_explanation(body.get("stop_details")) or text.strip() or _DECLINED
    return Reply(text, refusal, finish, _usage_of(body.get("usage")), raw=body)


def _message_text(content: list[object]) -> str:
    """The input of the tool as JSON; without a call of the tool, all text."""
    blocks = [block for block in content if isinstance(block, dict)]
    for block in blocks:
        if block.get("type") == "tool_use" and "input" in block:
            return json.dumps(block["input"], ensure_ascii=False)
    # Thoughts are blocks of another type, and no part of the reply.
    texts = [block.get("text") for block in blocks if block.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _refusal_explanation(stop_details: object) -> str:
    explanation = stop_details.get("explanation") if isinstance(stop_details, Mapping) else None
    return explanation.strip() if isinstance(explanation, str) else ""


def _usage_of(usage: object) -> Usage:
    """One call and its tokens. The API counts tokens from and to its cache apart."""
    if not isinstance(usage, dict):
        return Usage(calls=1)
    from_cache = token_count(usage.get("cache_read_input_tokens"))
    to_cache = token_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        calls=1,
        tokens_in=token_count(usage.get("input_tokens")) + from_cache + to_cache,
        tokens_out=token_count(usage.get("output_tokens")),
        tokens_cached=from_cache,
    )
