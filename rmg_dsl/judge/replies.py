"""From a reply to a score: one reader for every model, which takes a verdict that was offered, or none.

A reply is hostile input: it may be cut, wrapped, doubled, or quote the row's own text. Whatever is not clearly the
judge's one verdict is no score.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, assert_never

from rmg_dsl.judge.questions import reply_form
from rmg_dsl.messages import Message, Question, Reply
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.scales import Labels, Points, Real, Scale, Value, Whole, YesNo

KEY = "verdict"
_OTHER_KEYS = ("score", "rating", "grade", "label", "answer")
_THOUGHT = re.compile(r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.S | re.I)
_THOUGHT_END = re.compile(r"\A.*</(?:think|thinking|thought|reasoning)>", re.S | re.I)
_FENCE = re.compile(r"\A```[\w-]*\s*\n(.*?)\n?```\s*\Z", re.S)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?\Z")
_YES = {"true": True, "yes": True, "false": False, "no": False}
_MAX_READ = 200_000


class OffScale(Exception):
    """A verdict that lies outside the scale."""


class NoVerdict(Exception):
    """Nothing in the reply is a verdict that was offered; the message says why."""


class _Found(NamedTuple):
    """An object in a reply, and whether the reply is nothing else."""

    value: dict[str, Any]
    text: str
    alone: bool


class _Twice(dict[str, Any]):
    """An object that gives one key twice: which of them counts, nobody knows."""


def read(reply: Reply, question: Question) -> Outcome:
    """A score inside the scale, or the status that says why there is none; never raises.

    >>> from rmg_dsl.scales import Whole
    >>> question = Question("relevance", Whole(1, 5), ())
    >>> read(Reply('{"reason": "to the point", "verdict": 4}'), question)
    Score(value=4, reason='to the point', label=None, attempts=0)
    >>> read(Reply("4 out of 5"), question).status
    <Status.UNPARSED: 'unparsed'>
    """
    if reply.refusal:
        return Unscored(Status.REFUSED, _short(reply.refusal))
    if reply.finish == "content_filter":
        return Unscored(Status.REFUSED, "the provider filtered the reply")
    try:
        found = _the_object(reply.text[:_MAX_READ], question)
        verdict = _verdict(found, question.scale)
        return _score(verdict, found, question.scale)
    except OffScale as error:
        return Unscored(Status.OFF_SCALE, str(error))
    except NoVerdict as error:
        cut = "the reply was cut off: " if reply.finish == "length" else ""
        return Unscored(Status.UNPARSED, cut + str(error))


def follow_up(reply: Reply, unscored: Unscored, question: Question) -> tuple[Message, ...] | None:
    """What to say after a poor reply: the model's own words, what was wrong with them, and the form once more."""
    if unscored.status not in (Status.UNPARSED, Status.OFF_SCALE):
        return None
    said = reply.text.strip()[:2000] or "(nothing)"
    wrong = f"That reply cannot be used: {unscored.message}. {reply_form(question.scale)}"
    return (Message("assistant", said), Message("user", wrong))


# ── the one object ───────────────────────────────────────────────────────────────────────────────────────────────


def _the_object(text: str, question: Question) -> dict[str, Any]:
    """The JSON object that holds the verdict: the only one, or several that agree."""
    said = _without_thoughts(text).strip()
    if not said:
        raise NoVerdict("the reply is empty")
    fenced = _FENCE.match(said)
    objects = list(_objects(fenced.group(1).strip() if fenced else said))
    speaking = [found for found in objects if _key(found.value)]
    own = [found for found in speaking if found.alone or found.text not in question.text]
    if not own:
        raise NoVerdict(
            "no JSON object with a verdict" if not speaking else "the only verdict in it is the material's own"
        )
    verdicts = {json.dumps(found.value[_key(found.value)], sort_keys=True) for found in own}
    if len(verdicts) > 1:
        raise NoVerdict("two verdicts that differ")
    return own[-1].value


def _without_thoughts(text: str) -> str:
    """What is said after the thinking; a thought that never ends leaves nothing."""
    said = _THOUGHT.sub("", text)
    return _THOUGHT_END.sub("", said)


def _objects(text: str) -> Iterator[_Found]:
    """The JSON objects that stand at the top of a text, in prose or alone; lists and what is inside them do not count."""
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    at = 0
    while (found := _next_bracket(text, at)) >= 0:
        try:
            value, end = decoder.raw_decode(text, found)
        except (ValueError, RecursionError):
            at = _skip(text, found)
            continue
        if isinstance(value, dict):
            yield _Found(value, text[found:end], found == 0 and end == len(text))
        at = end


def _next_bracket(text: str, at: int) -> int:
    found = re.compile(r"[\[{]").search(text, at)
    return found.start() if found else -1


def _skip(text: str, at: int) -> int:
    """Past a bracket that opens no JSON. What was cut off must not give up its inner parts as verdicts."""
    was_cut = re.compile(r"\{\s*\"|\[\s*[\[{\"]").match(text, at)
    return len(text) if was_cut else at + 1


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


def _key(value: dict[str, Any]) -> str:
    """The key that holds the verdict: ours, or another common word for it where only one of them is there."""
    if KEY in value:
        return KEY
    others = [key for key in _OTHER_KEYS if key in value]
    return others[0] if len(others) == 1 else ""


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────────


def _verdict(found: dict[str, Any], scale: Scale) -> Value:
    if isinstance(found, _Twice):
        raise NoVerdict("an object that gives a key twice")
    raw = found[_key(found)]
    if raw is None:
        raise NoVerdict("the verdict is null")
    if isinstance(raw, dict | list):
        raise NoVerdict("the verdict is a list or an object")
    match scale:
        case Whole() | Real():
            return _number(raw, scale)
        case YesNo():
            return _truth(raw)
        case Labels(labels):
            return _label(raw, labels)
        case Points():
            raise NoVerdict("points are not read yet")
        case _:
            assert_never(scale)


def _number(raw: object, scale: Whole | Real) -> Value:
    if isinstance(raw, bool):
        raise NoVerdict(f"the verdict is {str(raw).lower()}, not a number")
    if isinstance(raw, str):
        written = raw.strip()
        if written.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise OffScale(f"the verdict {written} is no number on {scale}")
        if not _NUMBER.match(written):
            raise NoVerdict(f'the verdict "{_short(written)}" is no number')
        raw = float(written)
    assert isinstance(raw, int | float)
    return _on_scale(raw, scale)


def _on_scale(number: float, scale: Whole | Real) -> Value:
    if not math.isfinite(number) or not scale.low <= number <= scale.high:
        raise OffScale(f"the verdict {_short(str(number))} is not on {scale}")
    if isinstance(scale, Real):
        return float(number)
    if number != int(number):
        raise OffScale(f"the verdict {number} is no whole number on {scale}")
    return int(number)


def _truth(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _YES:
        return _YES[raw.strip().lower()]
    raise NoVerdict(f"the verdict {_short(json.dumps(raw))} is neither true nor false")


def _label(raw: object, labels: tuple[str, ...]) -> str:
    if isinstance(raw, str):
        for label in labels:
            if raw.strip().casefold() == label.strip().casefold():
                return label
    raise NoVerdict(f"the verdict {_short(json.dumps(raw))} was never offered")


def _score(verdict: Value, found: dict[str, Any], scale: Scale) -> Score:
    reason = found.get("reason")
    text = reason.strip() or None if isinstance(reason, str) else None
    if isinstance(scale, Labels) and scale.values is not None:
        return Score(scale.value_of(str(verdict)), text, str(verdict))
    return Score(verdict, text)


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 200 else folded[:199] + "…"
