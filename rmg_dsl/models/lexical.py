"""`local/lexical`: a word-overlap baseline that needs no network. It only compares texts.

The overlap, from 0 to 1, of the response with the first of these that the prompt requires:

- a reference: F1 of lower-cased words, `2 × shared / (response's + reference's)`, with repeats;
- a context: the share of the response's content words that the context holds;
- a query: the share of the query's content words that the response holds.

A word is a run of letters and digits (with inner apostrophes); each Chinese or Japanese character
is a word. Content words are the distinct words without stop words. An overlap of 0 gives the worst
verdict of the scale, an overlap of 1 the best.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from rmg_dsl.messages import Question, Reply, Request, Usage
from rmg_dsl.scales import Scale, Value

LEXICAL_NAME = "local/lexical"
LEXICAL_NOTE = f"{LEXICAL_NAME} is a word-overlap baseline, not a judge"

ComparisonKind: TypeAlias = Literal["reference", "context", "query"]

_RESPONSE_FIELDS = ("response", "answer", "output", "completion")
_COMPARISON_FIELDS: tuple[tuple[ComparisonKind, tuple[str, ...]], ...] = (
    ("reference", ("reference", "ground_truth", "gold", "expected", "target")),
    ("context", ("context", "documents", "docs", "source")),
    ("query", ("query", "question", "instruction", "prompt")),
)

_IDEOGRAPH = (
    "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+(?:'[^\W_{_IDEOGRAPH}]+)*")

_STOP_WORDS = frozenset(
    _WORD.findall(
        "a an the this that these those is are was were be been am do does did have has had will "
        "would can could should may i you he she it we they me him her us them my your his its our "
        "their what which who whom whose when where why how and or but not no if then of in on at "
        "by for from to with as into about than so 的了是在和"
    )
)

# Subjects that shared words say nothing about. Whole words: `harmful` counts, `harmony` does not.
_UNJUDGEABLE_WORDS = re.compile(
    r"\b(?:harm(?:s|ed|ing|ful|fully|fulness|less|lessness)?|(?:un)?safe(?:ly|ty|r)?|"
    r"(?:non)?toxic(?:ity)?|bias(?:es|ed)?|unbiased|hate|hateful|hatred|abus(?:e|ive)|"
    r"violen(?:t|ce)|offens(?:e|ive|iveness)|discriminat(?:e|es|ion|ory)|stereotyp(?:e|es|ing)|"
    r"profan(?:e|ity))\b"
)
# A prompt may exclude these ("politeness does not count"); in a grader's name they are its subject.
_UNJUDGEABLE_NAME_WORDS = re.compile(
    r"\b(?:polic(?:y|ies)|priva(?:te|cy)|tone|(?:im)?polite(?:ness)?|rude(?:ness)?|"
    r"friendl(?:y|iness)|empath(?:y|etic))\b"
)


@dataclass(frozen=True, slots=True)
class Overlap:
    """The `share` of words that two texts have in common, from 0 to 1, and its figures."""

    share: float
    explanation: str


class LexicalModel:
    """The baseline that a judge must beat: deterministic, free, and only for comparable texts.

    >>> import asyncio
    >>> from rmg_dsl.messages import Message
    >>> from rmg_dsl.scales import Whole
    >>> material = {"response": "It is Paris", "reference": "Paris"}
    >>> messages, needs = (Message("user", "…"),), ("response", "reference")
    >>> question = Question("correct", Whole(1, 5), messages, material, needs)
    >>> json.loads(asyncio.run(LexicalModel().complete(Request(question))).text)["verdict"]
    3
    """

    name = LEXICAL_NAME
    note = LEXICAL_NOTE

    async def complete(self, request: Request) -> Reply:
        question = request.question
        unjudgeable = _unjudgeable_word(question)
        if unjudgeable:
            return _refusal_reply(f"cannot judge `{unjudgeable}`")
        pair = _comparison_fields(question)
        if pair is None:
            return _refusal_reply(
                "finds no response with a reference, a context or a query to compare it with"
            )
        kind, response, other = pair
        overlap = overlap_of(kind, question.material[response], question.material[other])
        if overlap is None:
            return _refusal_reply(f"finds no words to compare in `{response}` and `{other}`")
        if question.scale.is_text:
            return _refusal_reply("writes no text")
        return _overlap_reply(question.scale, overlap, response, other)

    async def close(self) -> None:
        """Nothing is open."""


def _overlap_reply(scale: Scale, overlap: Overlap, response: str, other: str) -> Reply:
    verdict = verdict_on(scale, overlap.share)
    if verdict is None:
        return _refusal_reply(f"has no verdict on the scale {scale}")
    figures = overlap.explanation.format(response=f"`{response}`", other=f"`{other}`")
    text = json.dumps(
        {"reason": f"word-overlap baseline: {figures}", "verdict": verdict}, ensure_ascii=False
    )
    return Reply(text, finish="stop", usage=Usage())


def _refusal_reply(reason: str) -> Reply:
    refusal = f"{LEXICAL_NAME}, a word-overlap baseline, {reason}"
    return Reply("", refusal=refusal, usage=Usage())


def _comparison_fields(question: Question) -> tuple[ComparisonKind, str, str] | None:
    """The kind of comparison and its two texts, both among those that the prompt requires."""
    usable = [name for name in question.needs if name in question.material]
    response = next((name for name in _RESPONSE_FIELDS if name in usable), None)
    for kind, names in _COMPARISON_FIELDS:
        other = next((name for name in names if name in usable), None)
        if response and other:
            return kind, response, other
    return None


def _unjudgeable_word(question: Question) -> str | None:
    """A word of the question, not of the row, that a comparison of words cannot judge."""
    name = _split_identifier(question.grader).lower()
    prompt = _text_without_material(question.text, question.material).lower()
    match = _UNJUDGEABLE_WORDS.search(f"{name} {prompt}")
    if match is None:
        match = _UNJUDGEABLE_NAME_WORDS.search(name)
    return match.group() if match else None


def _split_identifier(name: str) -> str:
    return re.sub(r"[\W_]+|(?<=[a-z])(?=[A-Z])", " ", name)


def _text_without_material(text: str, material: Mapping[str, str]) -> str:
    # The longest first: a short text may be part of a long one.
    for value in sorted(material.values(), key=len, reverse=True):
        if value.strip():
            text = text.replace(value, " ")
    return text


def words_of(text: str) -> list[str]:
    """The words of a text, lower-cased.

    >>> words_of("Don’t panic: 42 是答案")
    ["don't", 'panic', '42', '是', '答', '案']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).replace("’", "'").lower())


def overlap_of(kind: ComparisonKind, response: str, other: str) -> Overlap | None:
    """The overlap by the formula for its kind; None where a text has no words to compare.

    >>> overlap_of("query", "Paris is the capital.", "What is the capital of France?").share
    0.5
    """
    match kind:
        case "reference":
            return _f1_overlap(words_of(response), words_of(other))
        case "context":
            return _containment_overlap(
                _content_words(response), _content_words(other), "{response}", "{other}"
            )
        case "query":
            return _containment_overlap(
                _content_words(other), _content_words(response), "{other}", "{response}"
            )
        case _:
            assert_never(kind)


def _f1_overlap(response: list[str], reference: list[str]) -> Overlap | None:
    if not reference:
        return None
    shared = (Counter(response) & Counter(reference)).total()
    share = 2 * shared / (len(response) + len(reference))
    figures = f"({shared} word{'s' * (shared != 1)} shared of {len(response)} and {len(reference)})"
    return Overlap(share, f"F1 {share:.2f} of {{response}} with {{other}} {figures}")


def _containment_overlap(part: set[str], whole: set[str], one: str, two: str) -> Overlap | None:
    if not part:
        return None
    shared = len(part & whole)
    share = shared / len(part)
    figures = f"({shared} of {len(part)})"
    return Overlap(share, f"{share:.2f} of the content words of {one} are in {two} {figures}")


def _content_words(text: str) -> set[str]:
    return set(words_of(text)) - _STOP_WORDS


def verdict_on(scale: Scale, share: float) -> Value | None:
    """The verdict as far along the scale as `share` (0 to 1) from its worst end; none where a scale
    has no ends.

    >>> from rmg_dsl.scales import Whole, YesNo
    >>> scales = Whole(1, 5), Whole(1, 5, lower=True)
    >>> verdict_on(scales[0], 0.6), verdict_on(scales[1], 0.6), verdict_on(YesNo(), 0.5)
    (3, 3, True)
    """
    return scale.verdict_at(share)
