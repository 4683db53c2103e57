"""The reply in a chat completion, read as untrusted input: any field may be missing or odd."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from rmg_dsl.messages import Reply, Usage
from rmg_dsl.models.http_errors import embedded_error, malformed_reply_error
from rmg_dsl.models.http_response import HttpResponse, token_count

JsonObject: TypeAlias = Mapping[str, object]

_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")

FILTERED = "the provider's filter stopped the reply"

# Rounding makes some servers report the logarithm of 1 as a little more than 0.
_MAX_LOGPROB = 0.001


def reply_from_response(response: HttpResponse, caller: str) -> Reply:
    """The reply in a successful response, verdict or not. Raises CallError where there is none.

    >>> body = {"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}
    >>> reply_from_response(HttpResponse(200, body), "ollama/x").text
    '4'
    """
    body = response.body
    if not isinstance(body, dict):
        raise malformed_reply_error(response, caller, "no JSON object")
    choice = _first_choice(response, body, caller)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise malformed_reply_error(response, caller, "a choice without a message")
    finish = choice.get("finish_reason")
    if not isinstance(finish, str):
        finish = None
    text = _content_text(message.get("content"), "text")
    return Reply(
        text=text,
        refusal=_refusal_text(message, finish),
        finish=finish,
        usage=usage_from_body(body.get("usage")),
        raw=body,
        first_token_logprobs=_first_token_logprobs(choice.get("logprobs")),
        reasoning=None if text.strip() else _reasoning_text(message),
    )


def _first_choice(response: HttpResponse, body: JsonObject, caller: str) -> JsonObject:
    choices = body.get("choices")
    first: object = None
    if isinstance(choices, list) and choices:
        first = choices[0]
    # Gateways report an error in place of the choices, or inside the first one.
    error = None
    if not first:
        error = body.get("error")
    elif isinstance(first, dict):
        error = first.get("error")
    if error:
        raise embedded_error(response, error, caller)
    if not isinstance(first, dict):
        raise malformed_reply_error(response, caller, "without choices")
    return first


# ── text and refusal ──


def _content_text(content: object, kind: str) -> str:
    """The text of a content, which may be a list of parts; `kind` is the key of a part's text."""
    if isinstance(content, list):
        return "".join(_part_text(part, kind) for part in content)
    if isinstance(content, str) and kind == "text":
        return content
    return ""


def _reasoning_text(message: JsonObject) -> str | None:
    """What the model thought, under any of the names that servers give it."""
    for name in _REASONING_FIELDS:
        value = message.get(name)
        if isinstance(value, str) and value.strip():
            return value
    details = message.get("reasoning_details")
    if isinstance(details, list):
        return "".join(_part_text(part, "text") for part in details).strip() or None
    return None


def _part_text(part: object, kind: str) -> str:
    if isinstance(part, dict):
        part = part.get(kind)
    elif kind != "text":
        return ""
    return part if isinstance(part, str) else ""


def _refusal_text(message: JsonObject, finish: str | None) -> str | None:
    refusal = message.get("refusal")
    if not isinstance(refusal, str):
        refusal = _content_text(message.get("content"), "refusal")
    if refusal.strip():
        return refusal
    return FILTERED if finish == "content_filter" else None


# ── probabilities ──


def _first_token_logprobs(logprobs: object) -> tuple[tuple[str, float], ...] | None:
    """The alternatives for the first token that is not blank; None where any of them is odd."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list):
        return None
    for token in tokens:
        if _token_word(token).strip():
            return _token_alternatives(token)
    return None


def _token_word(token: object) -> str:
    word = token.get("token") if isinstance(token, dict) else None
    return word if isinstance(word, str) else ""


def _token_alternatives(token: JsonObject) -> tuple[tuple[str, float], ...] | None:
    alternatives = token.get("top_logprobs")
    if not isinstance(alternatives, list) or not alternatives:
        # Some servers give the probability of the chosen token only.
        alternatives = [token]
    pairs = []
    for alternative in alternatives:
        pair = _token_logprob(alternative)
        if pair is None:
            return None
        pairs.append(pair)
    return tuple(pairs)


def _token_logprob(token: object) -> tuple[str, float] | None:
    if not isinstance(token, dict):
        return None
    word, logprob = token.get("token"), token.get("logprob")
    if not isinstance(word, str) or isinstance(logprob, bool):
        return None
    if not isinstance(logprob, int | float) or math.isnan(logprob) or logprob > _MAX_LOGPROB:
        return None
    return word, float(logprob)


# ── usage ──


def usage_from_body(usage: object) -> Usage:
    """One call and the tokens that its response reports; 0 for each count that is missing or odd.

    >>> details = {"cached_tokens": 19}
    >>> usage_from_body({"prompt_tokens": 20, "prompt_tokens_details": details}).tokens_cached
    19
    """
    if not isinstance(usage, dict):
        return Usage(calls=1)
    details = usage.get("prompt_tokens_details")
    if isinstance(details, dict):
        tokens_cached = details.get("cached_tokens")
    else:
        # DeepSeek's name for the same count.
        tokens_cached = usage.get("prompt_cache_hit_tokens")
    return Usage(
        calls=1,
        tokens_in=token_count(usage.get("prompt_tokens")),
        tokens_out=token_count(usage.get("completion_tokens")),
        tokens_cached=token_count(tokens_cached),
    )
