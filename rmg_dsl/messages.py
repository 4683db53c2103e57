"""Questions, requests and replies: plain data that names no vendor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from rmg_dsl.scales import PointsCriterion, Scale, Value

Role = Literal["system", "user", "assistant"]

# The usual figure for Latin text. A script with two or three bytes for each letter needs about as
# many times more tokens, so that bytes are a better measure than letters.
_BYTES_PER_TOKEN = 4

_as_json = json.JSONEncoder(ensure_ascii=False).encode
_cached_json = lru_cache(maxsize=64)(_as_json)
_MAX_CACHED_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Role
    content: str


class ReplyFormat(NamedTuple):
    """How a reply must look.

    It is a verdict on `scale`; with `criteria_count` above 0, one verdict for each criterion. With
    `wants_logprobs` it is one word, whose probability counts.
    """

    scale: Scale
    criteria_count: int = 0
    wants_logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One typed question about one row: its rendered messages, and the scale of its verdicts.

    `material` holds the texts that were put into the prompt, by field name. `needs` are the names
    that the prompt cannot do without. Both are for an engine that compares texts instead of reading
    prompts. `criteria` are the criteria of a rubric of points. `answer_options` are the words that
    stand for the verdicts, where the question asks for their probabilities.
    """

    grader: str
    scale: Scale
    messages: tuple[Message, ...]
    material: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    criteria: tuple[PointsCriterion, ...] = ()
    answer_options: tuple[tuple[str, Value], ...] = ()

    @property
    def reply_format(self) -> ReplyFormat:
        """How the reply must look: the same for all rows of one grader."""
        return ReplyFormat(self.scale, len(self.criteria), bool(self.answer_options))

    @property
    def text(self) -> str:
        """All that the model reads, in order."""
        return "\n".join(message.content for message in self.messages)


@dataclass(frozen=True, slots=True)
class Request:
    """A question on its way to a model.

    `draw` numbers the repeats of one question. `follow_up` holds the messages of a second attempt,
    after a reply that could not be used. `row` is the place of the row in the data, for the log; it
    is no part of the question.
    """

    question: Question
    draw: int = 0
    follow_up: tuple[Message, ...] = ()
    row: int | None = field(default=None, compare=False)
    _encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages to send: those of the question, then the follow-up."""
        return self.question.messages + self.follow_up

    @property
    def encoded_messages(self) -> bytes:
        """The messages as JSON, encoded once for all attempts.

        >>> from rmg_dsl.scales import YesNo
        >>> Request(Question("polite", YesNo(), (Message("user", "Polite?"),))).encoded_messages
        b'[{"role":"user","content":"Polite?"}]'

        Raises UnicodeEncodeError for half of a surrogate pair, which UTF-8 cannot write.
        """
        encoded = self._encoded
        if encoded is None:
            # A frozen dataclass has no other way to fill its cache.
            encoded = f"[{','.join(map(_encode_message, self.messages))}]".encode()
            object.__setattr__(self, "_encoded", encoded)
        return encoded

    @property
    def tokens(self) -> int:
        """The estimated tokens of the messages; 0 where they cannot be encoded."""
        try:
            return len(self.encoded_messages) // _BYTES_PER_TOKEN
        except UnicodeEncodeError:
            return 0


def _encode_message(message: Message) -> str:
    # All rows of a grader share its instructions, so their JSON is cached. A very long text is not:
    # the cache would hold too much memory.
    is_shared = message.role == "system" and len(message.content) < _MAX_CACHED_CHARS
    encode = _cached_json if is_shared else _as_json
    content = encode(message.content)
    return f'{{"role":"{message.role}","content":{content}}}'


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and attempts of one reply, or of many added up; `cached` replies cost no call.

    Of `unreported` replies the provider did not report the tokens: they are unknown, or estimates.
    """

    calls: int = 0
    cached: int = 0
    retried: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    unreported: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.cached + other.cached,
            self.retried + other.retried,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            self.unreported + other.unreported,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, as it came: the `text`, or a `refusal`;
    `finish` is the provider's word for why it ended.

    `first_token_logprobs` are the likeliest words to begin the text, with the natural logarithms of
    their probabilities, where the provider gives them. `reasoning` is what the model thought, where
    that is all that came: an answer never stands there.
    """

    text: str
    refusal: str | None = None
    finish: str | None = None
    usage: Usage = Usage(calls=1)
    raw: Mapping[str, Any] | None = None
    first_token_logprobs: tuple[tuple[str, float], ...] | None = None
    reasoning: str | None = None


def estimate_usage(request: Request, reply: Reply) -> Usage:
    """The usage of a reply, with estimates for the tokens that its provider did not report.

    >>> from rmg_dsl.scales import YesNo
    >>> request = Request(Question("polite", YesNo(), (Message("user", "Polite?"),)))
    >>> usage = estimate_usage(request, Reply("Yes, it is.", usage=Usage(calls=1, unreported=1)))
    >>> usage.tokens_in, usage.tokens_out
    (9, 3)
    """
    usage = reply.usage
    if not usage.unreported:
        return usage
    text = (reply.text or reply.refusal or reply.reasoning or "").encode("utf-8", "replace")
    return replace(
        usage,
        tokens_in=usage.tokens_in or request.tokens,
        # Rounded up: even a short reply has a token.
        tokens_out=usage.tokens_out or -(-len(text) // _BYTES_PER_TOKEN),
    )


class Model(Protocol):
    """The interface of every engine, and of each wrapper around one (cache, retries, limiter)."""

    @property
    def name(self) -> str:
        """The name under which results and logs show the model."""

    @property
    def note(self) -> str:
        """A sentence that every summary must show; mostly empty."""

    async def complete(self, request: Request) -> Reply:
        """Answer a request. Raises `CallError` where there is no reply."""

    async def close(self) -> None:
        """Release the connections; no request may follow."""


@runtime_checkable
class RecallingModel(Model, Protocol):
    """A model that knows some replies without a call, as a cache does."""

    def recall(self, requests: Sequence[Request]) -> Sequence[Reply | None]:
        """The known reply to each request; None for each that it does not know."""
