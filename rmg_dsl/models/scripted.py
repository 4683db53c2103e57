"""The shipped test double: a model that says what it was told to say, and remembers what it was asked."""

from __future__ import annotations

import copy
import inspect
import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from rmg_dsl.errors import CallError
from rmg_dsl.messages import Question, Reply, Request

ScriptedAnswer: TypeAlias = float | str | Mapping[str, Any] | Reply | Exception | None
Script: TypeAlias = (
    Mapping[str, ScriptedAnswer | Sequence[ScriptedAnswer]]
    | Callable[[Request], ScriptedAnswer | Awaitable[ScriptedAnswer]]
)


class ScriptedModel:
    """A model for tests: replies from a dict or a function, and `requests` to look at afterwards.

    >>> import asyncio
    >>> from rmg_dsl.messages import Message, Question
    >>> from rmg_dsl.scales import Whole
    >>> model = ScriptedModel({"relevance": [4, CallError("busy", retryable=True)], "Paris": "no idea"})
    >>> request = Request(Question("relevance", Whole(1, 5), (Message("user", "How relevant?"),)))
    >>> asyncio.run(model.complete(request)).text
    '{"reason": "scripted", "verdict": 4}'
    >>> len(model.requests)
    1

    A key of the dict is a grader's name, else a piece of the text that the model reads; the first that fits is
    taken, names before texts. A value is a verdict (a number, a bool, an offered label: a well-formed reply is made
    of it), any other text (the reply as it is), a mapping (the reply as JSON), a `Reply`, an exception (raised), or
    a list of these, one per call, the last one again and again. Where probabilities are asked for, a mapping from the
    offered words (`{"4": 0.7, "5": 0.3}`) gives them; on `points`, one from the numbers of the criteria (`{"1": True}`)
    says which are met. A function is given the `Request` and returns any of these but a list; it may be async. Where
    nothing fits, a CallError says which grader asked.
    """

    note = "scripted replies: no model was asked"

    def __init__(self, script: Script, *, name: str = "scripted") -> None:
        self.name = name
        self.requests: list[Request] = []
        self._script = script
        self._use_counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"ScriptedModel({self.name!r}, {len(self.requests)} requests)"

    async def complete(self, request: Request) -> Reply:
        self.requests.append(request)
        if callable(self._script):
            found = self._script(request)
            answered = await found if inspect.isawaitable(found) else found
        else:
            answered = self._next_answer(self._script, request)
        return _scripted_reply(answered, request.question)

    def _next_answer(
        self, script: Mapping[str, ScriptedAnswer | Sequence[ScriptedAnswer]], request: Request
    ) -> ScriptedAnswer:
        key = _script_key(script, request)
        value = script[key]
        if not isinstance(value, list | tuple):
            return value  # type: ignore[return-value] # no list: the case above
        if not value:
            raise CallError(f"the script has an empty list for `{key}`")
        self._use_counts[key] += 1
        answered: ScriptedAnswer = value[min(self._use_counts[key], len(value)) - 1]
        return answered

    async def close(self) -> None:
        """Nothing is open."""


def _script_key(script: Mapping[str, Any], request: Request) -> str:
    grader = request.question.grader
    if grader in script:
        return grader
    text = "\n".join(message.content for message in request.messages)
    for key in script:
        if key in text:
            return key
    raise CallError(
        f"the script has no reply for grader `{grader}`: no key is its name or a part of its prompt"
    )


def _scripted_reply(answered: ScriptedAnswer, question: Question) -> Reply:
    scale = question.scale
    match answered:
        case Reply():
            return answered
        case Exception():
            # A copy: whoever counts attempts writes on it, and a script may raise it again.
            raise copy.copy(answered)
        case Mapping() if question.answer_options:
            return _logprobs_reply(answered)
        case Mapping() if question.criteria and "verdict" not in answered:
            return _json_reply(
                {
                    "verdict": {
                        number: {"reason": "scripted", "met": met}
                        for number, met in answered.items()
                    }
                }
            )
        case Mapping():
            return _json_reply(dict(answered))
        case str() if answered not in scale.words:
            return Reply(answered, finish="stop")
        case _ if question.answer_options:
            return _logprobs_reply(
                {word: float(verdict == answered) for word, verdict in question.answer_options}
            )
        case _:
            return _json_reply({"reason": "scripted", "verdict": answered})


def _json_reply(found: Mapping[str, Any]) -> Reply:
    return Reply(json.dumps(found, ensure_ascii=False), finish="stop")


def _logprobs_reply(found: Mapping[str, Any]) -> Reply:
    likeliest = max(found, key=lambda word: float(found[word]))
    logs = tuple(
        (word, math.log(chance) if chance > 0 else -math.inf) for word, chance in found.items()
    )
    return Reply(likeliest, finish="stop", first_token_logprobs=logs)
