"""Probabilities of verdicts: the words that stand for them, and a score from the chances of each.

The judge is asked for one word and no reason, so that the first token of its reply is its verdict: the digits of whole
numbers from 0 to 9, `yes` and `no`, and letters for everything else. The chances of the words that were offered are
added up, whatever capitals and blanks they come with, and made to add up to 1. Where they held less than half of all
that could have come (the *valid mass*), the judge was about to say something else, and there is no verdict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import assert_never

from rmg_dsl.judge.pooling import verdict_text, verdict_value, worst_first
from rmg_dsl.messages import Reply
from rmg_dsl.results import Ballot, Outcome, Score, Status, Unscored
from rmg_dsl.scales import LabelOrder, Labels, Points, Real, Scale, Value, Whole, YesNo

MIN_VALID_MASS = 0.5
_MIN_SHOWN_CHANCE = 0.0005

AnswerOptions = Sequence[tuple[str, Value]]


def answer_options_for(scale: Scale) -> tuple[tuple[str, Value], ...]:
    """For each verdict the word that stands for it, such that every tokenizer makes one token of it.

    >>> answer_options_for(Whole(1, 3)), answer_options_for(YesNo()), answer_options_for(Labels(("kind", "cold")))
    ((('1', 1), ('2', 2), ('3', 3)), (('yes', True), ('no', False)), (('A', 'kind'), ('B', 'cold')))
    """
    match scale:
        case Whole(low, high) if low >= 0 and high <= 9:
            return tuple((str(level), level) for level in scale.levels)
        case Whole():
            return tuple(zip(ascii_uppercase, scale.levels, strict=False))
        case YesNo():
            return (("yes", True), ("no", False))
        case Labels(labels):
            return tuple(zip(ascii_uppercase, labels, strict=False))
        case Real() | Points() | LabelOrder():
            raise ValueError(f"the verdicts on {scale} cannot be counted")
        case _:
            assert_never(scale)


def word_reply_form(offers: AnswerOptions) -> str:
    """What the judge is told to reply with."""
    words = ", ".join(word for word, _ in offers)
    legend = "".join(
        f"\n{word}: {verdict_text(verdict)}"
        for word, verdict in offers
        if word != verdict_text(verdict)
    )
    return (
        f"Reply with one of these and nothing else, no reason, no mark before or after it: {words}."
        + legend
    )


def score_probabilities(reply: Reply, scale: Scale, offers: AnswerOptions) -> Outcome:
    """The likeliest verdict with the chances of all, or why there is none."""
    if reply.first_token_logprobs is None:
        message = (
            "the endpoint gives no probabilities: take `logprobs = True` out, or ask another model"
        )
        return Unscored(Status.ERROR, message)
    masses = _verdict_masses(reply.first_token_logprobs, offers)
    valid = math.fsum(masses.values())
    if valid > 1.01:
        return Unscored(Status.ERROR, f"the endpoint's probabilities add up to {valid:.3g}")
    if valid < MIN_VALID_MASS:
        message = f"what was offered has a probability of {valid:.3g} only (valid mass), less than {MIN_VALID_MASS:g}"
        return Unscored(Status.UNPARSED, message)
    chances = tuple((verdict, mass / valid) for verdict, mass in masses.items())
    return _likeliest_score(scale, chances, min(valid, 1.0))


def _verdict_masses(
    chances: Sequence[tuple[str, float]], offers: AnswerOptions
) -> dict[Value, float]:
    """What each offered verdict has of the probability; in the order of the offers."""
    found: dict[str, float] = defaultdict(float)
    for token, log in chances:
        found[_token_word(token)] += math.exp(min(log, 0.0))
    return {verdict: found.get(word, 0.0) for word, verdict in offers}


def _token_word(token: str) -> str:
    """The word in a token; a letter counts only as a capital, since a small one may begin a sentence."""
    word = token.strip(" \t\r\n\u2581\u0120\u010a")
    return word.lower() if len(word) > 1 else word


def _likeliest_score(scale: Scale, chances: tuple[tuple[Value, float], ...], valid: float) -> Score:
    likeliest = max(chance for _, chance in chances)
    chosen = worst_first(scale, [verdict for verdict, chance in chances if chance == likeliest])[0]
    label = str(chosen) if isinstance(scale, Labels) and scale.values is not None else None
    reason = f"{_chances_text(dict(chances))}; valid mass {valid:.3g}"
    return Score(
        verdict_value(chosen, scale),
        reason,
        label,
        0,
        Ballot(confidence=likeliest, probabilities=chances),
    )


def _chances_text(chances: Mapping[Value, float]) -> str:
    seen = {verdict: chance for verdict, chance in chances.items() if chance >= _MIN_SHOWN_CHANCE}
    likeliest = sorted(seen.items(), key=lambda pair: -pair[1])[:5]
    return ", ".join(f"P({verdict_text(verdict)}) {chance:.3g}" for verdict, chance in likeliest)
