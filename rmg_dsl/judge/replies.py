"""From a reply to a score: one reader for every model, which takes an offered verdict or none.

A reply is hostile input: it may be cut, wrapped, doubled, or quote the row's own text. Whatever is
not clearly the judge's one verdict is no score. To ask once more is cheap; a wrong number is not.

A clear reply is one JSON object and nothing else, code fence and thoughts aside. Its `verdict`
counts, whatever other keys there are. Without one, a lone `score`, `rating` or `grade` (`label` for
labels) counts, if only a reason stands beside it.

An object with a `verdict` inside prose also counts if all of this holds:

- it begins the reply or ends its line;
- the reply was not cut off;
- nothing else in the reply looks like JSON, or the object is the fenced end of the reply;
- all such objects agree.

An object that the question holds does not count. Where the row's own text speaks of a verdict, no
object in prose counts: a quotation and a verdict look the same there.

The scale says which JSON values are verdicts. A number is a JSON number, or plain digits as text. A
bool is true, false, or "yes", "no", "true", "false" as text. A label is an offered word in any
capitals. An order is a list of all labels, each of them once. `true` is no number, 1 is no bool,
the value of a label is not its word, "4/5" and "four" are no verdicts. The reader does not look
inside lists, objects, strings or Python's quotes. An object that gives a key twice has no verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from rmg_dsl.judge.criteria import score_criteria
from rmg_dsl.judge.probabilities import score_probabilities, word_reply_form
from rmg_dsl.messages import Message, Question, Reply
from rmg_dsl.prompts.template import normalize_text
from rmg_dsl.results import Outcome, Score, Status, Unscored
from rmg_dsl.scales import (
    CriterionAnswer,
    DuplicateKeys,
    NoVerdict,
    OffScale,
    Scale,
    Value,
    shorten_quote,
)

JsonObject: TypeAlias = dict[str, object]

VERDICT_KEY = "verdict"
_REASON_KEYS = frozenset(
    {"reason", "reasons", "reasoning", "explanation", "rationale", "justification", "comment"}
)
_THOUGHT_TAG = re.compile(
    r"[<\[]\s*(/?)\s*(?:think|thinking|thoughts?|reasoning|reflection|analysis)\s*[>\]]", re.I
)
_FENCE_LANGUAGE = re.compile(r"[\w+-]*\s*")
_TRAILING_FENCE = re.compile(r"^[ \t]*```[^\n`{]*\n(?:(?!```).)*```\Z", re.S | re.M)
# A draft may speak of these tags, so that only what stands before the text is a thought.
_CLOSED_THOUGHT = re.compile(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", re.S | re.I)
_UNOPENED_THOUGHT = re.compile(
    r"\A.*?^[ \t]*</(?:think|thinking|reasoning)>[ \t]*$", re.S | re.I | re.M
)
_WHOLE_FENCE = re.compile(r"\A(`{3,}|~{3,})[^\n`~]*\n(.*?)\n?\1\Z", re.S)
_BRACKET = re.compile(r"[\[{]")
_LINE_END = re.compile(r"[ \t\r.`*]*(?:\n|\Z)")
_BRACKET_CITATION = re.compile(r"\[[^\[\]{}\"'`\n]*\]")
_INVISIBLE_CHARS = "\ufeff\u200b\u200c\u200d\u2060\x00"
# The next three limits bound the work on a hostile reply, and the length of the next request.
_MAX_REPLY_CHARS = 1_000_000
_MAX_OBJECTS = 20
_MAX_REPEATED_CHARS = 2000


class _ProseObject(NamedTuple):
    """An object in prose: its value, its text, and whether it stands apart from the sentences."""

    value: JsonObject
    text: str
    is_apart: bool


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
        return Unscored(Status.REFUSED, shorten_quote(reply.refusal))
    if reply.finish == "content_filter":
        return Unscored(Status.REFUSED, "the provider filtered the reply")
    if question.scale.is_text:
        return _read_prose(reply)
    if question.answer_options:
        return score_probabilities(reply, question.scale, question.answer_options)
    try:
        return _object_score(_verdict_object(reply, question), question)
    except OffScale as error:
        return Unscored(Status.OFF_SCALE, str(error))
    except NoVerdict as error:
        prefix = "the reply was cut off: " if reply.finish == "length" else ""
        return Unscored(Status.UNPARSED, f"{prefix}{error}")


def _read_prose(reply: Reply) -> Outcome:
    # Half a text would be refined and graded as if the writer had meant it.
    if reply.finish == "length":
        return Unscored(Status.UNPARSED, "the text was cut off")
    text = writer_text(reply.text)
    if text:
        return Score(text)
    return Unscored(Status.UNPARSED, _empty_reply_text(reply, "the reply holds no text"))


def _empty_reply_text(reply: Reply, problem: str) -> str:
    """What is wrong with an empty reply, and where its words stand."""
    if reply.reasoning is None:
        return problem
    return (
        f"{problem}: all its words stand in its reasoning (`reasoning_content`), none in `content`"
    )


def writer_text(reply: str) -> str:
    """The text of a writer, without its thoughts and without a fence around all of it.

    >>> writer_text("<think>shorter?</think>\\n```text\\nHello.\\n```")
    'Hello.'
    >>> writer_text("Close the block with </think> and go on.")
    'Close the block with </think> and go on.'
    """
    text = _strip_leading_thought(reply).strip()
    fence = _WHOLE_FENCE.match(text)
    # A text of several fenced blocks starts and ends with a fence, but none holds all of it.
    if fence is None or fence.group(1) in fence.group(2):
        return text
    return fence.group(2).strip()


def _strip_leading_thought(reply: str) -> str:
    """A text without the thought before it.

    Some servers cut the opening tag off: then the closing one stands alone on its line.
    """
    closed = _CLOSED_THOUGHT.match(reply)
    if closed is None:
        return _UNOPENED_THOUGHT.sub("", reply, count=1)
    text = reply[closed.end() :]
    # A second thought is one only where it follows the first at once.
    return _strip_leading_thought(text) if _CLOSED_THOUGHT.match(text) else text


def follow_up(reply: Reply, unscored: Unscored, question: Question) -> tuple[Message, ...] | None:
    """The messages that ask again after an unusable reply; None where asking again cannot help.

    They are the model's own reply, what is wrong with it, and the form of a reply.
    """
    if not unscored.status.is_unusable_reply:
        return None
    own = reply.text.strip()[:_MAX_REPEATED_CHARS] or "(nothing)"
    correction = f"That reply cannot be used: {unscored.message}. {_expected_form(question)}"
    return (Message("assistant", own), Message("user", correction))


def _expected_form(question: Question) -> str:
    if question.answer_options:
        return word_reply_form(question.answer_options)
    form = question.scale.reply_instruction
    if question.criteria:
        form += f" There are {len(question.criteria)} criteria."
    return form


# ── the one object ──


def _verdict_object(reply: Reply, question: Question) -> JsonObject:
    """The JSON object with the verdict: the whole reply, or one in prose."""
    text = _trim_invisible(reply.text)
    if not text:
        raise NoVerdict(_empty_reply_text(reply, "the reply is empty"))
    if len(text) > _MAX_REPLY_CHARS:
        raise NoVerdict(f"the reply has more than {_MAX_REPLY_CHARS:,} characters")
    whole = _parse_whole_reply(text)
    if whole is not None:
        return whole
    # A cut reply may still quote a verdict in its prose; its own would come last.
    if reply.finish == "length":
        raise NoVerdict("it ends before the verdict does")
    answer = _strip_thoughts(text)
    whole = _parse_whole_reply(answer)
    return _object_in_prose(answer, question) if whole is None else whole


def _trim_invisible(text: str) -> str:
    return text.strip().strip(_INVISIBLE_CHARS).strip()


def _parse_whole_reply(text: str) -> JsonObject | None:
    """The object that a text is, with or without a fence; None for a text that is not JSON."""
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
    fence = text[:3]
    if fence not in ("```", "~~~") or not text.endswith(fence):
        return text
    inside = text.strip(fence[0])
    language = _FENCE_LANGUAGE.match(inside)
    return inside[language.end() if language else 0 :].strip()


def _strip_thoughts(text: str) -> str:
    """The reply without its thoughts.

    Some servers cut the opening tag off: then a thought reaches back to the start of the reply.
    """
    answers: list[str] = []
    depth = last = 0
    for tag in _THOUGHT_TAG.finditer(text):
        is_opening = not tag.group(1)
        if is_opening:
            if not depth:
                answers.append(text[last : tag.start()])
            depth += 1
            continue
        if not depth:
            # JSON that comes first is an answer: a tag inside it must not hide it.
            if text.startswith(("{", "[", "`")):
                raise NoVerdict("a thought ends that never began")
            answers.clear()
        depth = max(0, depth - 1)
        if not depth and not last:
            # After the first thought a whole object is the answer, whatever tags its texts hold.
            rest = _trim_invisible(text[tag.end() :])
            if _parse_whole_reply(rest):
                return rest
        last = tag.end()
    if depth:
        raise NoVerdict("a thought that never ends")
    return _trim_invisible("\n".join([*answers, text[last:]]))


# ── an object in prose ──


def _object_in_prose(text: str, question: Question) -> JsonObject:
    """The object with a verdict inside prose: the only one, or the last of several that agree."""
    candidates = [candidate for candidate in _objects_in(text) if _has_verdict(candidate)]
    if not candidates:
        raise NoVerdict("no JSON object with a verdict")
    if any(VERDICT_KEY in normalize_text(value) for value in question.material.values()):
        raise NoVerdict(
            "the material speaks of a verdict too, so that only a bare JSON object counts"
        )
    asked_text = _without_whitespace(question.text)
    own = [
        candidate
        for candidate in candidates
        if _without_whitespace(candidate.text) not in asked_text
    ]
    if not any(candidate.is_apart for candidate in own):
        raise NoVerdict("the only verdict in it is quoted")
    verdicts = {_comparable_verdict(candidate.value, question) for candidate in own}
    if len(verdicts) > 1:
        raise NoVerdict("two verdicts that differ")
    return own[-1].value


def _has_verdict(candidate: _ProseObject) -> bool:
    # In prose the key must be written plainly, without blanks or escapes.
    return f'"{VERDICT_KEY}"' in candidate.text.casefold() and bool(_verdict_key(candidate.value))


def _without_whitespace(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _objects_in(text: str) -> list[_ProseObject]:
    """The objects of a text. Where other brackets make that unclear, only a fenced end counts."""
    try:
        objects = list(islice(_scan_objects(text), _MAX_OBJECTS + 1))
        if len(objects) > _MAX_OBJECTS:
            raise NoVerdict("more objects in it than a verdict needs")
        return objects
    except NoVerdict:
        fence = _TRAILING_FENCE.search(text)
        if fence is None or VERDICT_KEY in text[: fence.start()].casefold():
            raise
        value = _parse_whole_reply(fence.group().strip())
        return [_ProseObject(value, fence.group(), True)] if value else []


def _scan_objects(text: str) -> Iterator[_ProseObject]:
    """The JSON objects at the top level of a text.

    A bracket that opens no JSON may hide anything, and ends the search with NoVerdict.
    """
    position = 0
    while (bracket := _BRACKET.search(text, position)) is not None:
        start = bracket.start()
        citation = _BRACKET_CITATION.match(text, start)
        if citation is not None:
            position = citation.end()
            continue
        try:
            value, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            raise NoVerdict("a bracket in it opens no JSON") from None
        if not isinstance(value, dict):
            raise NoVerdict("a list in it is no verdict")
        is_apart = start == 0 or _LINE_END.match(text, position) is not None
        yield _ProseObject(value, text[start:position], is_apart)


def _object_from_pairs(pairs: list[tuple[str, object]]) -> JsonObject:
    value = dict(pairs)
    return value if len(value) == len(pairs) else DuplicateKeys(value)


# Models break lines inside of strings. Strict JSON forbids it, but the meaning is clear.
_DECODER = json.JSONDecoder(object_pairs_hook=_object_from_pairs, strict=False)


# ── the verdict ──


def _verdict_key(value: JsonObject, other_keys: tuple[str, ...] = ()) -> str:
    """The key of the verdict, or an empty text: `verdict`, or another one beside only a reason."""
    folded = {key: key.strip().casefold() for key in value}
    own = [key for key, word in folded.items() if word == VERDICT_KEY]
    if len(own) > 1:
        raise NoVerdict("an object that gives a key twice")
    if own:
        return own[0]
    rest = {*folded.values()} - _REASON_KEYS
    for key, word in folded.items():
        if {word} == rest and word in other_keys:
            return key
    return ""


def _raw_verdict(value: JsonObject, scale: Scale) -> object:
    """The JSON value that an object gives as its verdict."""
    if isinstance(value, DuplicateKeys):
        raise NoVerdict("an object that gives a key twice")
    key = _verdict_key(value, scale.other_verdict_keys)
    if not key:
        raise NoVerdict("no JSON object with a verdict")
    if value[key] is None:
        raise NoVerdict("the verdict is null")
    return value[key]


def _read_verdict(value: JsonObject, question: Question) -> Value | tuple[CriterionAnswer, ...]:
    raw = _raw_verdict(value, question.scale)
    return question.scale.read_verdict(raw, len(question.criteria))


def _comparable_verdict(value: JsonObject, question: Question) -> Value | tuple[bool, ...]:
    """The verdict without reasons: two objects agree when these are equal."""
    verdict = _read_verdict(value, question)
    if isinstance(verdict, tuple):
        return tuple(answer.is_met for answer in verdict)
    return verdict


def _object_score(value: JsonObject, question: Question) -> Score:
    verdict, scale = _read_verdict(value, question), question.scale
    if isinstance(verdict, tuple):
        return score_criteria(question.criteria, verdict)
    return Score(scale.value_of(verdict), _reason_of(value), scale.label_of(verdict))


def _reason_of(value: JsonObject) -> str | None:
    for key, reason in value.items():
        if key.strip().casefold() == "reason":
            return reason.strip() or None if isinstance(reason, str) else None
    return None
