"""From an answer to a reply: a chat completion read as hostile input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Reply, Usage
from rmg_dsl.models.http_errors import call_error_of, malformed_reply_error
from rmg_dsl.models.http_response import HttpResponse

JsonObject: TypeAlias = Mapping[str, Any]

# Above this a count of tokens is nonsense, and would overflow the arithmetic of money.
_MOST_TOKENS = 10**12
_DECODER = json.JSONDecoder()


def reply_from_response(answer: HttpResponse, who: str, usage: Usage | None = None) -> Reply:
    """The reply in a good answer, whatever it looks like; raises CallError (nothing else) where there is none.

    What it cost is what it says itself, unless that is known better.

    >>> body = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}
    >>> reply_from_response(HttpResponse(200, body), "ollama/x").text
    '4'
    """
    body = answer.body
    if not isinstance(body, dict):
        raise malformed_reply_error(answer, who, "no JSON object")
    choice = _first_choice(answer, body, who)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise malformed_reply_error(answer, who, "a choice without a message")
    finish = choice.get("finish_reason")
    return Reply(
        text=_content_text(message.get("content"), "text"),
        refusal=_refusal_text(message, finish),
        finish=finish if isinstance(finish, str) else None,
        usage=usage_from_body(body.get("usage")) if usage is None else usage,
        raw=body,
        first_token_logprobs=_first_token_logprobs(choice["logprobs"])
        if choice.get("logprobs")
        else None,
    )


def _first_token_logprobs(found: object) -> tuple[tuple[str, float], ...] | None:
    """The alternatives for the first token that says anything; none where there are none, or they are no logarithms."""
    tokens = found.get("content") if isinstance(found, dict) else None
    for token in tokens if isinstance(tokens, list) else ():
        if isinstance(token, dict) and isinstance(word := token.get("token"), str) and word.strip():
            others = token.get("top_logprobs")
            pairs = [
                _token_logprob(each)
                for each in (others if isinstance(others, list) and others else [token])
            ]
            return tuple(pair for pair in pairs if pair) if all(pairs) else None
    return None


def _token_logprob(found: object) -> tuple[str, float] | None:
    word, log = (
        (found.get("token"), found.get("logprob")) if isinstance(found, dict) else (None, None)
    )
    if (
        not isinstance(word, str)
        or isinstance(log, bool)
        or not isinstance(log, int | float)
        or not log <= 0.001
    ):
        return None
    return word, float(log)


def _first_choice(answer: HttpResponse, body: JsonObject, who: str) -> JsonObject:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    error = (first.get("error") if isinstance(first, dict) else None) or (
        body.get("error") if not first else None
    )
    if error:
        raise _embedded_error(answer, error, who)
    if not isinstance(first, dict):
        raise malformed_reply_error(answer, who, "without choices")
    return first


def _embedded_error(answer: HttpResponse, error: object, who: str) -> CallError:
    """An error inside an HTTP 200: gateways hand on the status of whoever failed behind them in `code`."""
    code = error.get("code") if isinstance(error, dict) else None
    handed_on = code if isinstance(code, int) and 400 <= code <= 599 else None
    fault = call_error_of(replace(answer, status=handed_on or 502, body={"error": error}), who)
    fault.status_code = handed_on or answer.status
    return fault


def _content_text(content: object, kind: str) -> str:
    """The text of a content that may be a list of parts; `kind` names the key of the wanted ones."""
    if isinstance(content, str):
        return content if kind == "text" else ""
    if not isinstance(content, list):
        return ""
    parts = [
        part.get(kind) if isinstance(part, dict) else part if kind == "text" else None
        for part in content
    ]
    return "".join(part for part in parts if isinstance(part, str))


def _refusal_text(message: JsonObject, finish: object) -> str | None:
    said = message.get("refusal")
    words = said if isinstance(said, str) else _content_text(message.get("content"), "refusal")
    if words.strip():
        return words
    return "the provider's filter stopped the reply" if finish == "content_filter" else None


def usage_from_body(found: object) -> Usage:
    """One call, and the tokens it reports; a count that is no count is 0.

    >>> usage_from_body({"prompt_tokens": 20, "completion_tokens": "many", "prompt_tokens_details": {"cached_tokens": 19}})
    Usage(calls=1, cached=0, retried=0, tokens_in=20, tokens_out=0, tokens_cached=19)
    """
    if not isinstance(found, dict):
        return Usage(calls=1)
    details = found.get("prompt_tokens_details")
    cached = (
        details.get("cached_tokens")
        if isinstance(details, dict)
        else found.get("prompt_cache_hit_tokens")
    )
    return Usage(
        calls=1,
        tokens_in=_token_count(found.get("prompt_tokens")),
        tokens_out=_token_count(found.get("completion_tokens")),
        tokens_cached=_token_count(cached),
    )


def _token_count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= _MOST_TOKENS else 0
