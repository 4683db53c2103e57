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

from rmg_dsl.judge.criteria import score_criteria
from rmg_dsl.judge.probabilities import score_probabilities, word_reply_form
from rmg_dsl.judge.questions import reply_form
from rmg_dsl.messages import Message, Question, Reply
from rmg_dsl.prompts.template import normalize_text
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.scales import FreeText, LabelOrder, Labels, Points, Real, Scale, Value, Whole, YesNo

VERDICT_KEY = "verdict"
_REASON_KEYS = frozenset(
    {"reason", "reasons", "reasoning", "explanation", "rationale", "justification", "comment"}
)
_THOUGHT_TAG = re.compile(
    r"[<\[]\s*(/?)\s*(?:think|thinking|thoughts?|reasoning|reflection|analysis)\s*[>\]]", re.I
)
_FENCE_LANGUAGE = re.compile(r"[\w+-]*\s*")
_TRAILING_FENCE = re.compile(r"^[ \t]*```[^\n`{]*\n(?:(?!```).)*```\Z", re.S | re.M)
_CLOSED_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.S | re.I)
_LEADING_THOUGHT = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.S | re.I)
_WHOLE_FENCE = re.compile(r"\A(`{3,}|~{3,})[^\n`~]*\n(.*?)\n?\1\Z", re.S)
_BRACKET = re.compile(r"[\[{]")
_LINE_END = re.compile(r"[ \t\r.`*]*(?:\n|\Z)")
_BRACKET_CITATION = re.compile(r"\[[^\[\]{}\"'`\n]*\]")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.A)
_BOOL_WORDS = {"true": True, "yes": True, "false": False, "no": False}
_INVISIBLE_CHARS = "\ufeff\u200b\u200c\u200d\u2060\x00"
_MAX_REPLY_CHARS = 1_000_000
_MAX_OBJECTS = 20


class OffScale(Exception):
    """A verdict that lies outside the scale."""


class NoVerdict(Exception):
    """Nothing in the reply is a verdict that was offered; the message says why."""


class _ProseObject(NamedTuple):
    """An object in prose: what it holds, how it is written, and whether it stands apart from the sentences."""

    value: dict[str, Any]
    text: str
    is_apart: bool


class _DuplicateKeys(dict[str, Any]):
    """An object that gives one key twice: which of them counts, nobody knows."""


def read_reply(reply: Reply, question: Question) -> Outcome:
    """A score inside the scale, or the status that says why there is none; never raises.

    >>> from rmg_dsl.scales import Whole
    >>> question = Question("relevance", Whole(1, 5), ())
    >>> read_reply(Reply('{"reason": "to the point", "verdict": 4}'), question)
    Score(value=4, reason='to the point', label=None, attempts=0)
    >>> read_reply(Reply("4 out of 5"), question).status
    <Status.UNPARSED: 'unparsed'>
    """
    if reply.refusal and reply.refusal.strip():
        return Unscored(Status.REFUSED, _clip_message(reply.refusal))
    if reply.finish == "content_filter":
        return Unscored(Status.REFUSED, "the provider filtered the reply")
    if isinstance(question.scale, FreeText):
        return _read_prose(reply)
    if question.answer_options:
        return score_probabilities(reply, question.scale, question.answer_options)
    try:
        return _object_score(_verdict_object(reply, question), question)
    except OffScale as error:
        return Unscored(Status.OFF_SCALE, str(error))
    except NoVerdict as error:
        cut = "the reply was cut off: " if reply.finish == "length" else ""
        return Unscored(Status.UNPARSED, cut + str(error))


def _read_prose(reply: Reply) -> Outcome:
    """The text itself; one that was cut off is no text."""
    if reply.finish == "length":
        return Unscored(Status.UNPARSED, "the text was cut off")
    text = writer_text(reply.text)
    return Score(text) if text else Unscored(Status.UNPARSED, "the reply holds no text")


def writer_text(reply: str) -> str:
    """The text that a writer gave: without its thoughts, and without a fence around all of it.

    >>> writer_text("<think>shorter?</think>\\n```text\\nHello.\\n```")
    'Hello.'
    """
    said = _CLOSED_THOUGHT.sub("", reply)
    said = _LEADING_THOUGHT.sub("", said, count=1).strip()
    fenced = _WHOLE_FENCE.match(said)
    return fenced.group(2).strip() if fenced and fenced.group(1) not in fenced.group(2) else said


def follow_up(reply: Reply, unscored: Unscored, question: Question) -> tuple[Message, ...] | None:
    """What to say after a poor reply: the model's own words, what was wrong with them, and the form once more."""
    if not unscored.status.is_unusable_reply:
        return None
    said = reply.text.strip()[:2000] or "(nothing)"
    wrong = f"That reply cannot be used: {unscored.message}. {_expected_form(question)}"
    return (Message("assistant", said), Message("user", wrong))


def _expected_form(question: Question) -> str:
    if isinstance(question.scale, FreeText):
        return "Reply with the whole text, and with nothing else."
    if question.answer_options:
        return word_reply_form(question.answer_options)
    count = f" There are {len(question.criteria)} criteria." if question.criteria else ""
    return reply_form(question.scale) + count


# ── the one object ───────────────────────────────────────────────────────────────────────────────────────────────


def _verdict_object(reply: Reply, question: Question) -> dict[str, Any]:
    """The JSON object that holds the verdict: the whole reply, or one in prose."""
    text = _trim_invisible(reply.text)
    if not text:
        raise NoVerdict("the reply is empty")
    if len(text) > _MAX_REPLY_CHARS:
        raise NoVerdict("the reply is longer than anybody reads")
    whole = _parse_whole_reply(text)
    if whole is None and reply.finish == "length":
        raise NoVerdict("it ends before the verdict does")
    if whole is None:
        said = _strip_thoughts(text)
        whole = _parse_whole_reply(said)
    return _object_in_prose(said, question) if whole is None else whole


def _trim_invisible(text: str) -> str:
    return text.strip().strip(_INVISIBLE_CHARS).strip()


def _parse_whole_reply(text: str) -> dict[str, Any] | None:
    """The object that a text is, with or without a fence; none where it is anything but JSON."""
    inside = _strip_fence(text)
    try:
        value, end = _DECODER.raw_decode(inside)
    except (ValueError, RecursionError):
        return None
    if end < len(inside):
        return None
    if not isinstance(value, dict):
        raise NoVerdict("the reply is JSON, but no object")
    return value


def _strip_fence(text: str) -> str:
    mark = text[:3]
    if mark not in ("```", "~~~") or not text.endswith(mark):
        return text
    inside = text.strip(mark[0])
    language = _FENCE_LANGUAGE.match(inside)
    return inside[language.end() if language else 0 :].strip()


def _strip_thoughts(text: str) -> str:
    """What is said outside the thoughts. One that never began, as some servers cut it, reaches back to the start."""
    said: list[str] = []
    depth = last = 0
    for mark in _THOUGHT_TAG.finditer(text):
        if not mark.group(1):
            said += [text[last : mark.start()]] if not depth else []
            depth += 1
            continue
        if not depth:
            if text.startswith(("{", "[", "`")):
                raise NoVerdict("a thought ends that never began")
            said.clear()
        depth = max(0, depth - 1)
        if not depth and not last and _parse_whole_reply(_trim_invisible(text[mark.end() :])):
            return _trim_invisible(text[mark.end() :])
        last = mark.end()
    if depth:
        raise NoVerdict("a thought that never ends")
    return _trim_invisible("\n".join([*said, text[last:]]))


# ── an object in prose ───────────────────────────────────────────────────────────────────────────────────────────


def _object_in_prose(text: str, question: Question) -> dict[str, Any]:
    """The object with a verdict that prose surrounds: the only one, or the last of several that agree."""
    speaking = [
        found
        for found in _objects_in(text)
        if f'"{VERDICT_KEY}"' in found.text.casefold() and _verdict_key(found.value)
    ]
    if not speaking:
        raise NoVerdict("no JSON object with a verdict")
    asked = _without_whitespace(question.text)
    if any(VERDICT_KEY in normalize_text(value) for value in question.material.values()):
        raise NoVerdict(
            "the material speaks of a verdict too, so that only a bare JSON object counts"
        )
    own = [found for found in speaking if _without_whitespace(found.text) not in asked]
    if not any(found.is_apart for found in own):
        raise NoVerdict("the only verdict in it is quoted")
    if len({_parse_verdict(found.value, question) for found in own}) > 1:
        raise NoVerdict("two verdicts that differ")
    return own[-1].value


def _without_whitespace(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _objects_in(text: str) -> list[_ProseObject]:
    """The objects of a text. Where it holds other brackets too, only an object that is its fenced end is clear."""
    try:
        found = list(islice(_scan_objects(text), _MAX_OBJECTS + 1))
        if len(found) > _MAX_OBJECTS:
            raise NoVerdict("more objects in it than a verdict needs")
        return found
    except NoVerdict:
        end = _TRAILING_FENCE.search(text)
        if end is None or VERDICT_KEY in text[: end.start()].casefold():
            raise
        value = _parse_whole_reply(end.group().strip())
        return [_ProseObject(value, end.group(), True)] if value else []


def _scan_objects(text: str) -> Iterator[_ProseObject]:
    """The JSON objects at the top of a text. A bracket that opens no JSON may hide anything, and ends the search."""
    at = 0
    while (opened := _BRACKET.search(text, at)) is not None:
        start = opened.start()
        cited = _BRACKET_CITATION.match(text, start)
        if cited is not None:
            at = cited.end()
            continue
        try:
            value, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            raise NoVerdict("a bracket in it opens no JSON") from None
        if not isinstance(value, dict):
            raise NoVerdict("a list in it is no verdict")
        yield _ProseObject(
            value, text[start:at], start == 0 or _LINE_END.match(text, at) is not None
        )


def _object_from_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _DuplicateKeys(found)


# Models break lines inside of strings, which strict JSON forbids and nobody can mistake.
_DECODER = json.JSONDecoder(object_pairs_hook=_object_from_pairs, strict=False)


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────────


def _verdict_key(value: dict[str, Any], others: tuple[str, ...] = ()) -> str:
    """The key that holds the verdict: ours, or one of the others where nothing but a reason stands beside it."""
    plain = {key: key.strip().casefold() for key in value}
    ours = [key for key, word in plain.items() if word == VERDICT_KEY]
    if len(ours) > 1:
        raise NoVerdict("an object that gives a key twice")
    if ours:
        return ours[0]
    rest = {*plain.values()} - _REASON_KEYS
    return next((key for key, word in plain.items() if {word} == rest and word in others), "")


def _raw_verdict(found: dict[str, Any], scale: Scale | FreeText) -> object:
    """What an object gives as its verdict, of whatever kind."""
    if isinstance(found, _DuplicateKeys):
        raise NoVerdict("an object that gives a key twice")
    key = _verdict_key(
        found, ("score", "rating", "grade", *(["label"] if isinstance(scale, Labels) else []))
    )
    if not key:
        raise NoVerdict("no JSON object with a verdict")
    if found[key] is None:
        raise NoVerdict("the verdict is null")
    return found[key]


def _parse_verdict(found: dict[str, Any], question: Question) -> Value | tuple[bool, ...]:
    scale = question.scale
    raw = _raw_verdict(found, scale)
    if isinstance(scale, Points):
        return tuple(met for met, _ in _criterion_answers(raw, len(question.criteria)))
    if isinstance(raw, dict) or (isinstance(raw, list) and not isinstance(scale, LabelOrder)):
        raise NoVerdict("the verdict is a list or an object")
    match scale:
        case Whole() | Real():
            return _on_scale(_verdict_as_number(raw, scale), scale)
        case YesNo():
            return _verdict_as_bool(raw)
        case Labels(labels):
            return _verdict_as_label(raw, labels)
        case LabelOrder(labels):
            return _verdict_as_order(raw, labels)
        case FreeText():
            raise NoVerdict("a text was asked for, and no verdict")
        case _:
            assert_never(scale)


def _verdict_as_number(raw: object, scale: Scale) -> float:
    if isinstance(raw, bool):
        raise NoVerdict(f"the verdict is {str(raw).lower()}, not a number")
    if isinstance(raw, str):
        written = raw.strip()
        if written.lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise OffScale(f"the verdict {written} is no number on {scale}")
        if not _NUMBER.fullmatch(written):
            raise NoVerdict(f'the verdict "{_clip_message(written)}" is no number')
        return float(written)
    assert isinstance(raw, int | float)
    return raw


def _on_scale(number: float, scale: Whole | Real) -> Value:
    # Neither NaN nor an infinity is between two numbers; an int of 400 digits can be compared, but not converted.
    if not scale.low <= number <= scale.high:
        raise OffScale(f"the verdict {_clip_message(str(number))} is not on {scale}")
    if isinstance(scale, Real):
        return float(number) + 0.0  # no minus before a zero
    if number != int(number):
        raise OffScale(f"the verdict {number} is no whole number on {scale}")
    return int(number)


def _verdict_as_bool(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _BOOL_WORDS:
        return _BOOL_WORDS[raw.strip().lower()]
    raise NoVerdict(f"the verdict {_clip_message(json.dumps(raw))} is neither true nor false")


def _verdict_as_label(raw: object, labels: tuple[str, ...]) -> str:
    if isinstance(raw, str):
        same = [label for label in labels if raw.strip().casefold() == label.strip().casefold()]
        if len(same) == 1 or raw in same:
            return raw if raw in same else same[0]
    raise NoVerdict(f"the verdict {_clip_message(json.dumps(raw))} was never offered")


def _verdict_as_order(raw: object, labels: tuple[str, ...]) -> str:
    """All labels, each of them once, and nothing else: an order of some would make up the place of the others."""
    if not isinstance(raw, list):
        raise NoVerdict("the verdict is not a list")
    found = [_verdict_as_label(each, labels) for each in raw]
    twice = [label for label in labels if found.count(label) > 1]
    missing = [label for label in labels if label not in found]
    if twice or missing:
        said = [f'"{twice[0]}" stands in the verdict twice'] if twice else []
        said += [f"the verdict leaves out {', '.join(map(json.dumps, missing))}"] if missing else []
        raise NoVerdict(_clip_message("; ".join(said)))
    return LabelOrder.value_of(found)


def _criterion_answers(raw: object, criteria: int) -> Iterator[tuple[bool, str]]:
    """The yes or no to each criterion, and the reason; all of them, by their numbers, and nothing else."""
    if isinstance(raw, _DuplicateKeys) or not isinstance(raw, dict):
        raise NoVerdict("the verdict has no entry for each criterion")
    numbers = [str(number) for number in range(1, criteria + 1)]
    for number in numbers:
        if number not in raw:
            raise NoVerdict(f"criterion {number} has no verdict")
    if len(raw) > criteria:
        raise NoVerdict(f"the verdict has {len(raw)} entries, and there are {criteria} criteria")
    for number in numbers:
        yield _criterion_answer(raw[number], number)


def _criterion_answer(entry: object, number: str) -> tuple[bool, str]:
    if isinstance(entry, _DuplicateKeys) or (isinstance(entry, dict) and "met" not in entry):
        raise NoVerdict(f"criterion {number} does not say whether it is met")
    if not isinstance(entry, dict):
        return _verdict_as_bool(entry), ""
    reason = entry.get("reason")
    return _verdict_as_bool(entry["met"]), " ".join(reason.split()) if isinstance(
        reason, str
    ) else ""


def _object_score(found: dict[str, Any], question: Question) -> Score:
    verdict, scale = _parse_verdict(found, question), question.scale
    if isinstance(verdict, tuple):
        reasons = [
            reason
            for _, reason in _criterion_answers(_raw_verdict(found, scale), len(question.criteria))
        ]
        return score_criteria(question.criteria, verdict, reasons)
    reason = next((found[key] for key in found if key.strip().casefold() == "reason"), None)
    text = reason.strip() or None if isinstance(reason, str) else None
    if isinstance(scale, Labels) and scale.values is not None:
        return Score(scale.value_of(str(verdict)), text, str(verdict))
    return Score(verdict, text)


def _clip_message(text: str) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= 200 else folded[:199] + "…"
