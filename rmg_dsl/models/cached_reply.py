"""A `Reply` as the bytes that the reply cache stores: JSON that names no vendor.

`cache.FILE_NAME` holds the version of this layout: raise it with every change here.
"""

from __future__ import annotations

import json

from rmg_dsl.messages import Reply, Usage

_REASONING_EXCERPT_CHARS = 200
_DECODER = json.JSONDecoder()


def encode_reply(reply: Reply) -> bytes:
    """The bytes of a reply. They hold its tokens, but not the number of attempts, and not `raw`.

    >>> encode_reply(Reply("4", finish="stop", usage=Usage(calls=3, tokens_in=9, tokens_out=2)))
    b'{"text":"4","finish":"stop","tokens":[9,2,0]}'
    """
    usage = reply.usage
    fields: dict[str, object] = {"text": reply.text}
    # Most replies have no refusal and no probabilities: what is absent takes no space.
    if reply.refusal is not None:
        fields["refusal"] = reply.refusal
    if reply.finish is not None:
        fields["finish"] = reply.finish
    fields["tokens"] = [usage.tokens_in, usage.tokens_out, usage.tokens_cached]
    if reply.first_token_logprobs is not None:
        fields["logprobs"] = reply.first_token_logprobs
    if reply.reasoning is not None:
        # Its beginning is enough for the message that there is no answer.
        fields["reasoning"] = reply.reasoning[:_REASONING_EXCERPT_CHARS]
    # ASCII only: a lone surrogate in a text has no UTF-8.
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def decode_reply(value: bytes | None, usage: Usage | None = None) -> Reply | None:
    """The reply in these bytes; None for no bytes and for damaged ones, so that it is asked again.

    `usage` replaces the tokens of the call that first got the reply.

    >>> decode_reply(b'{"text":"4","tokens":[9,2,0]}').usage.tokens_in
    9
    >>> decode_reply(b'{"text":"4","tok')
    """
    if value is None:
        return None
    try:
        fields = _DECODER.decode(value.decode("ascii"))
        return _reply_from_fields(fields, usage)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _reply_from_fields(fields: object, usage: Usage | None) -> Reply:
    """Raises ValueError, TypeError or KeyError where a field is not what `encode_reply` writes."""
    if not isinstance(fields, dict):
        raise TypeError("no JSON object")
    if usage is None:
        usage = _stored_usage(fields["tokens"])
    text, refusal, finish = fields["text"], fields.get("refusal"), fields.get("finish")
    if not isinstance(text, str):
        raise TypeError("the text is no string")
    if not isinstance(refusal, str | None) or not isinstance(finish, str | None):
        raise TypeError("the refusal or the finish is no string")
    reasoning = fields.get("reasoning")
    if not isinstance(reasoning, str | None):
        raise TypeError("the reasoning is no string")
    logprobs = _stored_logprobs(fields.get("logprobs"))
    return Reply(text, refusal, finish, usage, None, logprobs, reasoning)


def _stored_usage(tokens: object) -> Usage:
    tokens_in, tokens_out, tokens_cached = _json_list(tokens)
    return Usage(
        calls=1,
        tokens_in=_stored_count(tokens_in),
        tokens_out=_stored_count(tokens_out),
        tokens_cached=_stored_count(tokens_cached),
    )


def _stored_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("a count of tokens is no whole number from 0")
    return value


def _stored_logprobs(value: object) -> tuple[tuple[str, float], ...] | None:
    if value is None:
        return None
    return tuple(_stored_logprob(pair) for pair in _json_list(value))


def _stored_logprob(pair: object) -> tuple[str, float]:
    word, logprob = _json_list(pair)
    if not isinstance(word, str) or not isinstance(logprob, float | int):
        raise TypeError("a probability is no pair of a word and a number")
    return word, float(logprob)


def _json_list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError("no JSON list")
    return value
