"""Any OpenAI-compatible endpoint: the question as a chat completion, its reply held to a schema where that works."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from itertools import count
from types import MappingProxyType
from typing import Any

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Reply, ReplyFormat, Request
from rmg_dsl.models.cancellation import cancellation_with_attempts
from rmg_dsl.models.endpoints import Endpoint, Endpoints
from rmg_dsl.models.http_errors import call_error_of
from rmg_dsl.models.http_response import HttpResponse, error_details_of
from rmg_dsl.models.providers.chat_completion import reply_from_response
from rmg_dsl.models.reply_schema import response_format
from rmg_dsl.models.settings import extra_body_of

DEFAULT_TIMEOUT = 120.0
SCHEMA, OBJECT, FREE = range(3)

MAX_TOP_LOGPROBS = 20  # the most likely first words that a provider tells the chances of
_LOGPROBS_MAX_TOKENS = 8
_COPIED_SETTINGS = ("temperature", "top_p", "reasoning_effort")
_FORMAT_STATUSES = frozenset({400, 404, 415, 422, 501})
_FORMAT_WORDS = ("response_format", "json_schema", "json_object", "schema", "structured output")
_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EndpointSupport:
    """What an endpoint was found to accept: the `form` of replies, our defaults it rejects, its name for the limit."""

    format_level: int = SCHEMA
    rejected_settings: frozenset[str] = frozenset()
    token_limit_field: str = "max_tokens"

    def __or__(self, other: EndpointSupport) -> EndpointSupport:
        limit = (
            self.token_limit_field
            if self.token_limit_field == "max_completion_tokens"
            else other.token_limit_field
        )
        return EndpointSupport(
            max(self.format_level, other.format_level),
            self.rejected_settings | other.rejected_settings,
            limit,
        )


def chat_settings(
    settings: Mapping[str, Any], form: ReplyFormat, draw: int, manners: EndpointSupport
) -> dict[str, Any]:
    """What a call says beside its messages: our defaults, then what the author wrote, `extra_body` last.

    >>> from rmg_dsl.scales import Whole
    >>> chat_settings({"top_p": 0.5, "seed": 7}, ReplyFormat(Whole(1, 5)), 2, EndpointSupport(format_level=FREE))
    {'temperature': 1, 'top_p': 0.5, 'seed': 9}

    The temperature is 0 for draw 0 and 1 for the draws from 1 on, unless the author set one. A seed moves on with
    the draw: repeats with one and the same seed would be no repeats.
    """
    written = {name: settings[name] for name in _COPIED_SETTINGS if name in settings}
    if "max_tokens" in settings:
        written[manners.token_limit_field] = settings["max_tokens"]
    if "seed" in settings:
        written["seed"] = settings["seed"] + draw
    ours = {"temperature": 1 if draw else 0, **_reply_format_fields(form, manners)}
    kept = {
        name: value
        for name, value in ours.items()
        if value is not None and name not in manners.rejected_settings
    }
    return {**kept, **written, **settings.get("extra_body", {})}


def _reply_format_fields(form: ReplyFormat, manners: EndpointSupport) -> dict[str, Any]:
    """What holds a reply to its form. Where the chances of its first word count, a few words are more than enough."""
    if form.scale.is_text:
        return {}
    if form.wants_logprobs:
        return {
            "logprobs": True,
            "top_logprobs": MAX_TOP_LOGPROBS,
            manners.token_limit_field: _LOGPROBS_MAX_TOKENS,
        }
    if manners.format_level == SCHEMA:
        return {"response_format": response_format(form.scale, form.criteria_count)}
    return {"response_format": {"type": "json_object"}} if manners.format_level == OBJECT else {}


class OpenAIChat:
    """One model on one endpoint: asks once and reads what comes back; counts its own second tries on the ladder.

    The ladder: a reply held to a JSON schema, where that is rejected to any JSON object, else to nothing. What an
    endpoint rejects is remembered, so that the price is paid once. Raises CallError.

    >>> from rmg_dsl.models import Endpoint, OpenAIChat
    >>> OpenAIChat(Endpoint("http://localhost:8080/v1"), "tiny", name="llamacpp/tiny").note
    ''
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        name: str = "",
        settings: Mapping[str, Any] = _NO_SETTINGS,
        key_variable: str | None = None,
        limit: str = "max_tokens",
        owned: Endpoints | None = None,
    ) -> None:
        self.name = name or model
        self._endpoint = endpoint
        self._model = model
        self._settings = {
            **settings,
            "extra_body": extra_body_of(settings.get("extra_body", {})) or {},
        }
        self._droppable_defaults = _droppable_defaults(self._settings)
        self._key_variable = key_variable
        self._owned_endpoints = owned
        self._endpoint_support = EndpointSupport(token_limit_field=limit)
        self._body_frames: dict[tuple[ReplyFormat, int, EndpointSupport], tuple[bytes, bytes]] = {}
        self._hashes: dict[tuple[ReplyFormat, int], hashlib._Hash] = {}

    def __repr__(self) -> str:
        return f"OpenAIChat({self.name!r}, {self._endpoint!r})"

    @property
    def note(self) -> str:
        """What the endpoint made us leave out, for the summary."""
        parts = [
            f"`{name}` was left out, the endpoint rejects ours"
            for name in sorted(self._endpoint_support.rejected_settings)
        ]
        parts += (
            ["replies are not held to a schema, the endpoint rejects it"]
            if self._endpoint_support.format_level
            else []
        )
        return f"{self.name}: {'; '.join(parts)}" if parts else ""

    def cache_key(self, request: Request) -> bytes | None:
        """The key of a request in a cache: equal where endpoint, model, messages, settings, schema and draw are.

        It says what is asked for, not what is sent in the end: what an endpoint was found to reject does not count.
        None where the request cannot be sent.
        """
        known = self._hashes.get(key := (request.question.reply_format, request.draw))
        if known is None:
            settings = chat_settings(self._settings, *key, EndpointSupport())
            asked = [1, self._endpoint.base_url, self._model, settings, request.draw]
            known = self._hashes[key] = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
        found = known.copy()
        try:
            found.update(request.encoded_messages)
        except UnicodeEncodeError:
            return None
        return found.digest()

    async def complete(self, request: Request) -> Reply:
        for attempt in count(1):
            manners = self._endpoint_support
            answer = await self._post_request(request, manners, attempt)
            if answer.is_success:
                return self._reply(answer, attempt)
            chances = request.question.reply_format.wants_logprobs
            lesson = learn_from_rejection(
                answer,
                manners,
                (self._droppable_defaults - {"response_format"}) | {"limit"}
                if chances
                else self._droppable_defaults,
            )
            if lesson is None:
                fault = call_error_of(answer, self.name, self._key_hint())
                raise _with_attempts(
                    _with_logprobs_hint(fault, answer) if chances else fault, attempt
                )
            # Calls in flight may have learned something else meanwhile.
            self._endpoint_support |= lesson
        raise AssertionError("a count has no end")

    async def _post_request(
        self, request: Request, manners: EndpointSupport, attempt: int
    ) -> HttpResponse:
        try:
            body = self._body(request, manners)
            return await self._endpoint.post(
                "/chat/completions", body, self._settings.get("timeout", DEFAULT_TIMEOUT)
            )
        except CallError as error:
            raise _with_attempts(error, attempt) from None
        except asyncio.CancelledError as cause:
            raise cancellation_with_attempts(cause, attempt) from None
        except UnicodeEncodeError:
            words = "the prompt holds half a character (a lone surrogate), which cannot be sent"
            raise CallError(words, attempts=attempt - 1) from None

    def _body(self, request: Request, manners: EndpointSupport) -> bytes:
        """The body of a call. What surrounds the messages is the same for all of a grader, and is made once."""
        around = self._body_frames.get(
            key := (request.question.reply_format, request.draw, manners)
        )
        if around is None:
            settings = json.dumps(chat_settings(self._settings, *key))[1:-1]
            head = f'{{"model": {json.dumps(self._model)}, "messages": '.encode()
            around = self._body_frames[key] = (
                head,
                (f", {settings}}}" if settings else "}").encode(),
            )
        return around[0] + request.encoded_messages + around[1]

    def _reply(self, answer: HttpResponse, attempt: int) -> Reply:
        try:
            reply = reply_from_response(answer, self.name)
        except CallError as error:
            raise _with_attempts(error, attempt) from None
        return replace(reply, usage=replace(reply.usage, calls=attempt, retried=attempt - 1))

    def _key_hint(self) -> str:
        if self._endpoint.has_key:
            return f"is {self._key_variable} right?" if self._key_variable else ""
        return f"no key was sent: set {self._key_variable or 'one by api_key_env='}"

    async def close(self) -> None:
        """Closes the endpoint where this model is its only owner; a shared one is closed by the run."""
        if self._owned_endpoints is not None:
            await self._owned_endpoints.close()


def learn_from_rejection(
    answer: HttpResponse, manners: EndpointSupport, ours: Set[str]
) -> EndpointSupport | None:
    """What a rejection teaches about something that we, not the author, chose to send; none where it teaches nothing.

    >>> said = {"error": {"message": "Unsupported value: 'temperature'", "param": "temperature"}}
    >>> learn_from_rejection(HttpResponse(400, said), EndpointSupport(), {"temperature", "response_format"}).rejected_settings
    frozenset({'temperature'})
    """
    complaint = error_details_of(answer)
    droppable = answer.status in (400, 422) and "temperature" in ours - manners.rejected_settings
    if droppable and complaint.param == "temperature":
        return replace(manners, rejected_settings=manners.rejected_settings | {"temperature"})
    if "response_format" in ours and manners.format_level < FREE and _rejects_format(answer):
        return replace(manners, format_level=manners.format_level + 1)
    if droppable and complaint.is_about("temperature"):
        return replace(manners, rejected_settings=manners.rejected_settings | {"temperature"})
    other_name = answer.status == 400 and "max_completion_tokens" in complaint.message
    if other_name and "limit" in ours and manners.token_limit_field == "max_tokens":
        return replace(manners, token_limit_field="max_completion_tokens")
    return None


def _droppable_defaults(settings: Mapping[str, Any]) -> Set[str]:
    """What we choose to send, and may take back; what the author wrote is never changed behind their back."""
    free = {"temperature", "response_format"} - {*settings, *settings["extra_body"]}
    return free | {"limit"} if "max_tokens" in settings else free


def _with_logprobs_hint(fault: CallError, answer: HttpResponse) -> CallError:
    """The fault, with a way out where the endpoint knows no probabilities: nothing else takes their place."""
    if error_details_of(answer).mentions(("logprob",)):
        fault.args = (
            f"{fault}: it gives no probabilities; take `logprobs = True` out, or ask another model",
        )
    return fault


def _rejects_format(answer: HttpResponse) -> bool:
    # llama-cpp-python reports a request that does not validate as HTTP 500.
    words = _FORMAT_WORDS[:3] if answer.status == 500 else _FORMAT_WORDS
    return answer.status in _FORMAT_STATUSES | {500} and error_details_of(answer).mentions(words)


def _with_attempts(error: CallError, attempts: int) -> CallError:
    error.attempts = attempts
    return error
