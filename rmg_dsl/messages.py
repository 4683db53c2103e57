"""Questions, requests and replies: plain data that names no vendor."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from rmg_dsl.scales import PointsCriterion, Scale, Value

Role = Literal["system", "user", "assistant"]

# Of Latin text; what takes two or three bytes a letter takes more tokens too, in about that
# measure.
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
    """How a reply must look: a verdict on a scale, one for each of `criteria`, a word and its
    `chances`, or text.
    """

    scale: Scale
    criteria_count: int = 0
    wants_logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One typed question about one row: the rendered messages, and the verdicts that `scale`
    offers.

    `material` holds the texts that were put into the prompt, by field name, and `needs` the names
    that the prompt cannot do without: enough for an engine that compares texts instead of reading
    prompts. `marks` are the criteria of a rubric of points; `offers` the words that stand for the
    verdicts, where it is asked for their probabilities.
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
        """What the reply must look like, the same for all rows that are asked alike."""
        return ReplyFormat(self.scale, len(self.criteria), bool(self.answer_options))

    @property
    def text(self) -> str:
        """All that the model reads, in order."""
        return "\n".join(message.content for message in self.messages)


@dataclass(frozen=True, slots=True)
class Request:
    """A question on its way to a model: `draw` numbers repeats, `follow_up` holds a re-ask after a
    poor reply.

    `row` is the place of the row in the data, for a log; it is no part of what is asked.
    """

    question: Question
    draw: int = 0
    follow_up: tuple[Message, ...] = ()
    row: int | None = field(default=None, compare=False)
    _encoded: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.question.messages + self.follow_up

    @property
    def encoded_messages(self) -> bytes:
        """The messages as JSON, made once however often they are sent; raises UnicodeEncodeError
        for half a character.

        >>> from rmg_dsl.scales import YesNo
        >>> Request(Question("polite", YesNo(), (Message("user", "Polite?"),))).encoded_messages
        b'[{"role":"user","content":"Polite?"}]'
        """
        encoded = self._encoded
        if encoded is None:
            encoded = f"[{','.join(map(_encode_message, self.messages))}]".encode()
            object.__setattr__(self, "_encoded", encoded)
        return encoded

    @property
    def tokens(self) -> int:
        """About how many tokens the messages are, at four bytes each; 0 for what cannot be sent."""
        try:
            return len(self.encoded_messages) // _BYTES_PER_TOKEN
        except UnicodeEncodeError:
            return 0


def _encode_message(message: Message) -> str:
    # The instructions are the same for all rows of a grader; a few are remembered, if they are no
    # books.
    same = message.role == "system" and len(message.content) < _MAX_CACHED_CHARS
    content = _cached_json(message.content) if same else _as_json(message.content)
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
    """The one seam to every engine, and what each wrapper around one looks like too.

    `complete` returns a `Reply` or raises `CallError`; `note` is a sentence that every summary must
    carry, or empty.
    """

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str: ...

    async def complete(self, request: Request) -> Reply: ...

    async def close(self) -> None: ...


@runtime_checkable
class RecallingModel(Model, Protocol):
    """A model that knows some replies without asking: none stands for each that it does not
    know.
    """

    def recall(self, requests: Sequence[Request]) -> Sequence[Reply | None]: ...
