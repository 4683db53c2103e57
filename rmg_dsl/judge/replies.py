"""From a reply to a score: one reader for every model, which takes a verdict that was offered, or none.

A reply is hostile input: it may be cut, wrapped, doubled, or quote the row's own text. Whatever is not clearly the
judge's one verdict is no score; to ask once more costs little, a wrong number costs all.

What is clear: a reply that is one JSON object and nothing else, code fence and thoughts aside. Its `verdict` counts,
whatever other keys there are; without one, a lone `score`, `rating` or `grade` (`label` for labels) does, if nothing
but a reason stands beside it.

What is nearly as clear: an object with a `verdict` and prose around it, if it begins the reply or ends its line, the
reply was not cut, nothing else in it looks like JSON (or the object is the fenced end of the reply), and all such
objects agree. An object that the question holds does not count, and where the row's own text speaks of a verdict, no
object in prose does: a quotation and a verdict look the same there.

What a verdict may be: a JSON number, or plain digits as text, on a scale of numbers; true, false, or "yes", "no",
"true", "false" as text, for a bool; an offered word, in whatever capitals, for labels. `true` is no number, 1 is no
bool, the value of a label is not its word, "4/5" and "four" are nothing. What is inside lists, objects, strings or
Python's quotes is not looked for, and an object that gives a key twice says nothing. An order is a list of all labels,
each of them once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple, assert_never

from rmg_dsl.judge.criteria import scored
from rmg_dsl.judge.probabilities import wanted_word, weighed
from rmg_dsl.judge.questions import reply_form
from rmg_dsl.messages import Message, Question, Reply
from rmg_dsl.prompts.template import folded
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.scales import Labels, Order, Points, Prose, Real, Scale, Value, Whole, YesNo

KEY = "verdict"
_REASONS = frozenset(
    {"reason", "reasons", "reasoning", "explanation", "rationale", "justification", "comment"}
)
_MARK = re.compile(
    r"[<\[]\s*(/?)\s*(?:think|thinking|thoughts?|reasoning|reflection|analysis)\s*[>\]]", re.I
)
_LANGUAGE = re.compile(r"[\w+-]*\s*")
_FENCED_END = re.compile(r"^[ \t]*```[^\n`{]*\n(?:(?!```).)*```\Z", re.S | re.M)
_THOUGHT_THROUGH = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.S | re.I)
_THOUGHT_BEFORE = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.S | re.I)
_FENCED_WHOLE = re.compile(r"\A(`{3,}|~{3,})[^\n`~]*\n(.*?)\n?\1\Z", re.S)
_BRACKET = re.compile(r"[\[{]")
_LINE_END = re.compile(r"[ \t\r.`*]*(?:\n|\Z)")
_CITED = re.compile(r"\[[^\[\]{}\"'`\n]*\]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.A)
_YES = {"true": True, "yes": True, "false": False, "no": False}
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060\x00"
_MAX_READ = 1_000_000
_MOST_OBJECTS = 20


class OffScale(Exception):
    """A verdict that lies outside the scale."""


class NoVerdict(Exception):
    """Nothing in the reply is a verdict that was offered; the message says why."""


class _Found(NamedTuple):
    """An object in prose: what it holds, how it is written, and whether it stands apart from the sentences."""

    value: dict[str, Any]
    text: str
    apart: bool


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
    if reply.refusal and reply.refusal.strip():
        return Unscored(Status.REFUSED, _short(reply.refusal))
    if reply.finish == "content_filter":
        return Unscored(Status.REFUSED, "the provider filtered the reply")
    if isinstance(question.scale, Prose):
        return _prose(reply)
    if question.offers:
        return weighed(reply, question.scale, question.offers)
    try:
        return _score(_the_object(reply, question), question)
    except OffScale as error:
        return Unscored(Status.OFF_SCALE, str(error))
    except NoVerdict as error:
        cut = "the reply was cut off: " if reply.finish == "length" else ""
        return Unscored(Status.UNPARSED, cut + str(error))


def _prose(reply: Reply) -> Outcome:
    """The text itself; one that was cut off is no text."""
    if reply.finish == "length":
        return Unscored(Status.UNPARSED, "the text was cut off")
    text = text_of(reply.text)
    return Score(text) if text else Unscored(Status.UNPARSED, "the reply holds no text")


def text_of(reply: str) -> str:
    """The text that a writer gave: without its thoughts, and without a fence around all of it.

    >>> text_of("<think>shorter?</think>\\n```text\\nHello.\\n```")
    'Hello.'
    """
    said = _THOUGHT_THROUGH.sub("", reply)
    said = _THOUGHT_BEFORE.sub("", said, count=1).strip()
    fenced = _FENCED_WHOLE.match(said)
    return fenced.group(2).strip() if fenced and fenced.group(1) not in fenced.group(2) else said


def follow_up(reply: Reply, unscored: Unscored, question: Question) -> tuple[Message, ...] | None:
    """What to say after a poor reply: the model's own words, what was wrong with them, and the form once more."""
    if unscored.status not in (Status.UNPARSED, Status.OFF_SCALE):
        return None
    said = reply.text.strip()[:2000] or "(nothing)"
    wrong = f"That reply cannot be used: {unscored.message}. {_form(question)}"
    return (Message("assistant", said), Message("user", wrong))


def _form(question: Question) -> str:
    if isinstance(question.scale, Prose):
        return "Reply with the whole text, and with nothing else."
    if question.offers:
        return wanted_word(question.offers)
    count = f" There are {len(question.marks)} criteria." if question.marks else ""
    return reply_form(question.scale) + count


# ── the one object ───────────────────────────────────────────────────────────────────────────────────────────────


def _the_object(reply: Reply, question: Question) -> dict[str, Any]:
    """The JSON object that holds the verdict: the whole reply, or one in prose."""
    text = _trimmed(reply.text)
    if not text:
        raise NoVerdict("the reply is empty")
    if len(text) > _MAX_READ:
        raise NoVerdict("the reply is longer than anybody reads")
    whole = _whole(text)
    if whole is None and reply.finish == "length":
        raise NoVerdict("it ends before the verdict does")
    if whole is None:
        said = _without_thoughts(text)
        whole = _whole(said)
    return _in_prose(said, question) if whole is None else whole


def _trimmed(text: str) -> str:
    return text.strip().strip(_UNSEEN).strip()


def _whole(text: str) -> dict[str, Any] | None:
    """The object that a text is, with or without a fence; none where it is anything but JSON."""
    inside = _unfenced(text)
    try:
        value, end = _DECODER.raw_decode(inside)
    except (ValueError, RecursionError):
        return None
    if end < len(inside):
        return None
    if not isinstance(value, dict):
        raise NoVerdict("the reply is JSON, but no object")
    return value


def _unfenced(text: str) -> str:
    mark = text[:3]
    if mark not in ("```", "~~~") or not text.endswith(mark):
        return text
    inside = text.strip(mark[0])
    language = _LANGUAGE.match(inside)
    return inside[language.end() if language else 0 :].strip()


def _without_thoughts(text: str) -> str:
    """What is said outside the thoughts. One that never began, as some servers cut it, reaches back to the start."""
    said: list[str] = []
    depth = last = 0
    for mark in _MARK.finditer(text):
        if not mark.group(1):
            said += [text[last : mark.start()]] if not depth else []
            depth += 1
            continue
        if not depth:
            if text.startswith(("{", "[", "`")):
                raise NoVerdict("a thought ends that never began")
            said.clear()
        depth = max(0, depth - 1)
        if not depth and not last and _whole(_trimmed(text[mark.end() :])):
            return _trimmed(text[mark.end() :])
        last = mark.end()
    if depth:
        raise NoVerdict("a thought that never ends")
    return _trimmed("\n".join([*said, text[last:]]))


# ── an object in prose ───────────────────────────────────────────────────────────────────────────────────────────


def _in_prose(text: str, question: Question) -> dict[str, Any]:
    """The object with a verdict that prose surrounds: the only one, or the last of several that agree."""
    speaking = [
        found
        for found in _objects_in(text)
        if f'"{KEY}"' in found.text.casefold() and _key(found.value)
    ]
    if not speaking:
        raise NoVerdict("no JSON object with a verdict")
    asked = _bare(question.text)
    if any(KEY in folded(value) for value in question.material.values()):
        raise NoVerdict(
            "the material speaks of a verdict too, so that only a bare JSON object counts"
        )
    own = [found for found in speaking if _bare(found.text) not in asked]
    if not any(found.apart for found in own):
        raise NoVerdict("the only verdict in it is quoted")
    if len({_verdict(found.value, question) for found in own}) > 1:
        raise NoVerdict("two verdicts that differ")
    return own[-1].value


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _objects_in(text: str) -> list[_Found]:
    """The objects of a text. Where it holds other brackets too, only an object that is its fenced end is clear."""
    try:
        found = list(islice(_objects(text), _MOST_OBJECTS + 1))
        if len(found) > _MOST_OBJECTS:
            raise NoVerdict("more objects in it than a verdict needs")
        return found
    except NoVerdict:
        end = _FENCED_END.search(text)
        if end is None or KEY in text[: end.start()].casefold():
            raise
        value = _whole(end.group().strip())
        return [_Found(value, end.group(), True)] if value else []


def _objects(text: str) -> Iterator[_Found]:
    """The JSON objects at the top of a text. A bracket that opens no JSON may hide anything, and ends the search."""
    at = 0
    while (opened := _BRACKET.search(text, at)) is not None:
        start = opened.start()
        cited = _CITED.match(text, start)
        if cited is not None:
            at = cited.end()
            continue
        try:
            value, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            raise NoVerdict("a bracket in it opens no JSON") from None
        if not isinstance(value, dict):
            raise NoVerdict("a list in it is no verdict")
        yield _Found(value, text[start:at], start == 0 or _LINE_END.match(text, at) is not None)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Twice(found)


# Models break lines inside of strings, which strict JSON forbids and nobody can mistake.
_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, strict=False)


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────────


def _key(value: dict[str, Any], others: tuple[str, ...] = ()) -> str:
    """The key that holds the verdict: ours, or one of the others where nothing but a reason stands beside it."""
    plain = {key: key.strip().casefold() for key in value}
    ours = [key for key, word in plain.items() if word == KEY]
    if len(ours) > 1:
        raise NoVerdict("an object that gives a key twice")
    if ours:
        return ours[0]
    rest = {*plain.values()} - _REASONS
    return next((key for key, word in plain.items() if {word} == rest and word in others), "")


def _held(found: dict[str, Any], scale: Scale | Prose) -> object:
    """What an object gives as its verdict, of whatever kind."""
    if isinstance(found, _Twice):
        raise NoVerdict("an object that gives a key twice")
    key = _key(
        found, ("score", "rating", "grade", *(["label"] if isinstance(scale, Labels) else []))
    )
    if not key:
        raise NoVerdict("no JSON object with a verdict")
    if found[key] is None:
        raise NoVerdict("the verdict is null")
    return found[key]


def _verdict(found: dict[str, Any], question: Question) -> Value | tuple[bool, ...]:
    scale = question.scale
    raw = _held(found, scale)
    if isinstance(scale, Points):
        return tuple(met for met, _ in _answers(raw, len(question.marks)))
    if isinstance(raw, dict) or (isinstance(raw, list) and not isinstance(scale, Order)):
        raise NoVerdict("the verdict is a list or an object")
    match scale:
        case Whole() | Real():
            return _on_scale(_number(raw, scale), scale)
        case YesNo():
            return _truth(raw)
        case Labels(labels):
            return _label(raw, labels)
        case Order(labels):
            return _order(raw, labels)
        case Prose():
            raise NoVerdict("a text was asked for, and no verdict")
        case _:
            assert_never(scale)


def _number(raw: object, scale: Scale) -> float:
    if isinstance(raw, bool):
        raise NoVerdict(f"the verdict is {str(raw).lower()}, not a number")
    if isinstance(raw, str):
        written = raw.strip()
        if written.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise OffScale(f"the verdict {written} is no number on {scale}")
        if not _NUMBER.fullmatch(written):
            raise NoVerdict(f'the verdict "{_short(written)}" is no number')
        return float(written)
    assert isinstance(raw, int | float)
    return raw


def _on_scale(number: float, scale: Whole | Real) -> Value:
    # Neither NaN nor an infinity is between two numbers; an int of 400 digits can be compared, but not converted.
    if not scale.low <= number <= scale.high:
        raise OffScale(f"the verdict {_short(str(number))} is not on {scale}")
    if isinstance(scale, Real):
        return float(number) + 0.0  # no minus before a zero
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
        same = [label for label in labels if raw.strip().casefold() == label.strip().casefold()]
        if len(same) == 1 or raw in same:
            return raw if raw in same else same[0]
    raise NoVerdict(f"the verdict {_short(json.dumps(raw))} was never offered")


def _order(raw: object, labels: tuple[str, ...]) -> str:
    """All labels, each of them once, and nothing else: an order of some would make up the place of the others."""
    if not isinstance(raw, list):
        raise NoVerdict("the verdict is not a list")
    found = [_label(each, labels) for each in raw]
    twice = [label for label in labels if found.count(label) > 1]
    missing = [label for label in labels if label not in found]
    if twice or missing:
        said = [f'"{twice[0]}" stands in the verdict twice'] if twice else []
        said += [f"the verdict leaves out {', '.join(map(json.dumps, missing))}"] if missing else []
        raise NoVerdict(_short("; ".join(said)))
    return Order.value_of(found)


def _answers(raw: object, criteria: int) -> Iterator[tuple[bool, str]]:
    """The yes or no to each criterion, and the reason; all of them, by their numbers, and nothing else."""
    if isinstance(raw, _Twice) or not isinstance(raw, dict):
        raise NoVerdict("the verdict has no entry for each criterion")
    numbers = [str(number) for number in range(1, criteria + 1)]
    for number in numbers:
        if number not in raw:
            raise NoVerdict(f"criterion {number} has no verdict")
    if len(raw) > criteria:
        raise NoVerdict(f"the verdict has {len(raw)} entries, and there are {criteria} criteria")
    for number in numbers:
        yield _answer(raw[number], number)


def _answer(entry: object, number: str) -> tuple[bool, str]:
    if isinstance(entry, _Twice) or (isinstance(entry, dict) and "met" not in entry):
        raise NoVerdict(f"criterion {number} does not say whether it is met")
    if not isinstance(entry, dict):
        return _truth(entry), ""
    reason = entry.get("reason")
    return _truth(entry["met"]), " ".join(reason.split()) if isinstance(reason, str) else ""


def _score(found: dict[str, Any], question: Question) -> Score:
    verdict, scale = _verdict(found, question), question.scale
    if isinstance(verdict, tuple):
        reasons = [reason for _, reason in _answers(_held(found, scale), len(question.marks))]
        return scored(question.marks, verdict, reasons)
    reason = next((found[key] for key in found if key.strip().casefold() == "reason"), None)
    text = reason.strip() or None if isinstance(reason, str) else None
    if isinstance(scale, Labels) and scale.values is not None:
        return Score(scale.value_of(str(verdict)), text, str(verdict))
    return Score(verdict, text)


def _short(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 200 else folded[:199] + "…"
