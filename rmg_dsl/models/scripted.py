"""The test double for users too: a model that replies from a script and records requests."""

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
    """A model for tests: replies from a dict or a function, and records all `requests`.

    >>> import asyncio
    >>> from rmg_dsl.messages import Message, Question
    >>> from rmg_dsl.scales import Whole
    >>> busy = CallError("busy", retryable=True)
    >>> model = ScriptedModel({"relevance": [4, busy], "Paris": "no idea"})
    >>> request = Request(Question("relevance", Whole(1, 5), (Message("user", "How relevant?"),)))
    >>> asyncio.run(model.complete(request)).text
    '{"reason": "scripted", "verdict": 4}'
    >>> len(model.requests)
    1

    A key of the dict is a grader's name, else a part of the prompt; names are tried before parts,
    in order. A value is one of these:

    - a verdict (a number, a bool, a label of the scale), from which a well-formed reply is made;
    - any other text, which is the reply as it is;
    - a mapping, which is the reply as JSON; for a question about probabilities, those of the
      words (`{"4": 0.7, "5": 0.3}`); on `points`, the criteria by their numbers (`{"1": True}`);
    - a `Reply`, or an exception to raise;
    - a list of these, one per call; its last item is used again and again.

    A function gets the `Request` and returns one of these, but no list; it may be async. Raises
    CallError with the grader's name where no key fits.
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
        if not callable(self._script):
            return _scripted_reply(self._next_answer(self._script, request), request.question)
        result = self._script(request)
        answer = await result if inspect.isawaitable(result) else result
        return _scripted_reply(answer, request.question)

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
        answer: ScriptedAnswer = value[min(self._use_counts[key], len(value)) - 1]
        return answer

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
    problem = "no key is its name or a part of its prompt"
    raise CallError(f"the script has no reply for grader `{grader}`: {problem}")


def _scripted_reply(answered: ScriptedAnswer, question: Question) -> Reply:
    scale = question.scale
    match answered:
        case Reply():
            return answered
        case Exception():
            # A copy: a wrapper counts attempts in it, and a script may raise it again.
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


def _json_reply(fields: Mapping[str, Any]) -> Reply:
    return Reply(json.dumps(fields, ensure_ascii=False), finish="stop")


def _logprobs_reply(probabilities: Mapping[str, Any]) -> Reply:
    likeliest = max(probabilities, key=lambda word: float(probabilities[word]))
    pairs = [(word, _log(probability)) for word, probability in probabilities.items()]
    return Reply(likeliest, finish="stop", first_token_logprobs=tuple(pairs))


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf
