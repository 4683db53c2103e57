"""One model on one endpoint: sends each request once, and learns what the endpoint rejects."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from itertools import count

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Reply, ReplyFormat, Request
from rmg_dsl.models.bad_draw import is_bad_draw, reply_of_bad_draw
from rmg_dsl.models.cancellation import cancellation_with_attempts
from rmg_dsl.models.endpoints import Endpoint, Endpoints
from rmg_dsl.models.http_errors import call_error_of, embedded_error
from rmg_dsl.models.http_response import HttpResponse, error_details_of
from rmg_dsl.models.providers.provider import (
    FREE,
    EndpointSupport,
    ProviderTarget,
    create_provider,
)
from rmg_dsl.models.settings import ModelSettings

DEFAULT_TIMEOUT = 120.0

_NO_SUCH_PATH = frozenset({404, 405})
# A version in a base URL: `/v1`, `/openai/v1`, `/v1beta/openai`.
_VERSION = re.compile(r"/v\d")


class ChatModel:
    """A model behind one of the wire formats in `providers/`. Raises CallError.

    >>> from rmg_dsl.models import ChatModel, Endpoint
    >>> ChatModel(Endpoint("http://localhost:8080/v1"), "tiny", name="llamacpp/tiny").note
    ''

    Where the endpoint rejects a field that the author did not write, the call is sent again without
    it, and the model remembers that. So a reply is held to a JSON schema, else to any JSON object,
    else to nothing. `usage` counts these calls. `owned` are endpoints that `close()` closes.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        *,
        name: str = "",
        settings: ModelSettings | None = None,
        key_advice: str = "",
        url_setting: str = "the base URL",
        wire_format: str = "openai",
        owned: Endpoints | None = None,
    ) -> None:
        self.name = name or model
        self._endpoint = endpoint
        target = ProviderTarget(model, settings or {}, endpoint.base_url)
        self._url_setting = url_setting
        self._wire_format = wire_format
        self._provider = create_provider(wire_format, target)
        self._support = self._provider.initial_support()
        self._headers = self._provider.headers
        self._timeout = target.settings.get("timeout", DEFAULT_TIMEOUT)
        self._key_advice = key_advice
        self._owned_endpoints = owned
        self._question_hash = cache(self._hash_identity)

    def __repr__(self) -> str:
        return f"ChatModel({self.name!r}, {self._endpoint!r})"

    @property
    def note(self) -> str:
        """What the endpoint made us leave out, for the summary; empty where that is nothing."""
        parts = [
            f"`{name}` was left out, the endpoint rejects ours"
            for name in sorted(self._support.rejected_settings)
        ]
        if self._support.format_level:
            parts.append("replies are not held to a schema, the endpoint rejects it")
        return f"{self.name}: {'; '.join(parts)}" if parts else ""

    def cache_key(self, request: Request) -> bytes | None:
        """The cache key of a request, 32 bytes, or None where the request cannot be sent.

        Requests with the same endpoint, model, messages, settings, schema and draw have the same
        key.
        """
        key = self._question_hash(request.question.reply_format, request.draw).copy()
        try:
            key.update(request.encoded_messages)
        except UnicodeEncodeError:
            return None
        return key.digest()

    def _hash_identity(self, reply_format: ReplyFormat, draw: int) -> hashlib._Hash:
        identity = self._provider.identity(reply_format, draw)
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode())

    async def complete(self, request: Request) -> Reply:
        for attempt in count(1):
            support = self._support
            body = self._encode(request, support, attempt)
            response = await self._post(body, attempt)
            reply_format = request.question.reply_format
            # Before any lesson: its sentence may well speak of the schema.
            if is_bad_draw(response):
                return self._bad_draw(response, attempt)
            if response.is_success:
                return self._decode(response, attempt, support, reply_format)
            lesson = self._provider.learn_from_rejection(response, support, reply_format)
            if lesson is None:
                raise self._rejection_error(response, attempt, reply_format)
            # Joined, not replaced: calls in flight may have learned something else meanwhile.
            self._support |= lesson
        raise AssertionError("a count has no end")

    def _encode(self, request: Request, support: EndpointSupport, attempt: int) -> bytes:
        try:
            return self._provider.encode(request, support)
        except CallError as error:
            # Nothing was sent this time: only the calls before count.
            raise _with_attempts(error, attempt - 1) from None
        except UnicodeEncodeError:
            words = "the prompt holds half a character (a lone surrogate), which cannot be sent"
            raise CallError(words, attempts=attempt - 1) from None

    async def _post(self, body: bytes, attempt: int) -> HttpResponse:
        try:
            return await self._endpoint.post(
                self._provider.path, body, self._timeout, self._headers
            )
        except CallError as error:
            raise _with_attempts(error, attempt) from None
        except asyncio.CancelledError as cause:
            raise cancellation_with_attempts(cause, attempt) from None

    def _bad_draw(self, response: HttpResponse, attempt: int) -> Reply:
        """What the model wrote instead of JSON, for the reader of replies; else CallError."""
        reply = reply_of_bad_draw(response)
        if reply is not None:
            return _with_usage(reply, attempt)
        if response.is_success and isinstance(response.body, dict):
            error = embedded_error(response, response.body.get("error"), self.name)
        else:
            error = call_error_of(response, self.name)
        error.retryable, error.fatal = True, False
        raise _with_attempts(error, attempt)

    def _decode(
        self,
        response: HttpResponse,
        attempt: int,
        support: EndpointSupport,
        reply_format: ReplyFormat,
    ) -> Reply:
        try:
            reply = self._provider.decode(response, self.name)
        except CallError as error:
            raise _with_attempts(error, attempt) from None
        is_held = not (reply_format.scale.is_text or reply_format.wants_logprobs)
        if is_held and support.format_level < FREE and _is_json_object(reply.reasoning):
            # A server that takes a reply without thoughts for a thought: its grammar made it.
            reply = replace(reply, text=reply.reasoning or "", reasoning=None)
        return _with_usage(reply, attempt)

    def _rejection_error(
        self, response: HttpResponse, attempt: int, reply_format: ReplyFormat
    ) -> CallError:
        try:
            self._provider.decode(response, self.name, self._key_advice)
        except CallError as error:
            if reply_format.wants_logprobs:
                _add_logprobs_hint(error, response)
            if response.status in _NO_SUCH_PATH:
                self._add_url_hint(error)
            return _with_attempts(error, attempt)
        raise AssertionError("a response with an error status holds no reply")

    def _add_url_hint(self, error: CallError) -> None:
        """Say which URL was asked: the base URL may be wrong."""
        path = self._provider.path
        url = self._endpoint.url_of(path)
        hint = f"the URL was {url}"
        if url.count(path) > 1:
            hint += f"; every call adds {path}, so {self._url_setting} must end before it"
        elif self._wire_format == "openai" and not _VERSION.search(url):
            hint += f"; does {self._url_setting} end in /v1?"
        error.args = (f"{error} ({hint})",)

    async def close(self) -> None:
        """Close the endpoints that belong to this model alone; the run closes shared ones."""
        if self._owned_endpoints is not None:
            await self._owned_endpoints.close()


def _is_json_object(text: str | None) -> bool:
    try:
        return isinstance(json.loads(text or ""), dict)
    except (ValueError, RecursionError):
        return False


def _with_usage(reply: Reply, attempts: int) -> Reply:
    """The reply with its attempts, and whether the provider reported its tokens."""
    usage = replace(
        reply.usage,
        calls=attempts,
        retried=attempts - 1,
        unreported=int(_lacks_token_counts(reply)),
    )
    return replace(reply, usage=usage)


def _lacks_token_counts(reply: Reply) -> bool:
    """Whether a count is missing: no prompt and no text has 0 tokens."""
    usage = reply.usage
    return not usage.tokens_in or (not usage.tokens_out and bool(reply.text))


def _add_logprobs_hint(error: CallError, response: HttpResponse) -> None:
    """Say what to change where the endpoint gives no probabilities."""
    if error_details_of(response).mentions(("logprob",)):
        hint = "it gives no probabilities; take `logprobs = True` out, or ask another model"
        error.args = (f"{error}: {hint}",)


def _with_attempts(error: CallError, attempts: int) -> CallError:
    error.attempts = attempts
    return error
