"""A score from the probabilities of the verdicts, read from the first token of a reply.

The judge replies with one word and no reason, so that the first token of its reply is its verdict:
a digit for whole numbers from 0 to 9, `yes` or `no`, and a letter for everything else. Tokens that
differ in capitals and blanks only count for the same word. The probabilities of the offered words
are added up (the *valid mass*) and scaled to a sum of 1. Where the valid mass is below one half,
the judge was about to say something else, and there is no verdict.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rmg_dsl.judge.pooling import verdict_text
from rmg_dsl.messages import Reply
from rmg_dsl.results import Ballot, Outcome, Score, Status, Unscored
from rmg_dsl.scales import Scale, Value

MIN_VALID_MASS = 0.5
_MIN_SHOWN_CHANCE = 0.0005
_MAX_SHOWN_CHANCES = 5
# Beyond rounding: such an endpoint does not send logarithms of probabilities.
_MAX_VALID_MASS = 1.01
# Tokenizers write the blank before a word as one of the last three.
_TOKEN_BLANKS = " \t\r\n\u2581\u0120\u010a"

AnswerOptions: TypeAlias = Sequence[tuple[str, Value]]
"""The words that a judge may reply with, each with the verdict that it stands for."""


def word_reply_form(options: AnswerOptions) -> str:
    """The instruction to reply with one of the words, and what the words stand for.

    >>> print(word_reply_form([("A", "kind"), ("no", False)]))
    Reply with one of these and nothing else, no reason, no mark before or after it: A, no.
    A: kind
    """
    words = ", ".join(word for word, _ in options)
    meanings = [(word, verdict_text(verdict)) for word, verdict in options]
    legend = "".join(f"\n{word}: {meaning}" for word, meaning in meanings if word != meaning)
    form = "Reply with one of these and nothing else, no reason, no mark before or after it"
    return f"{form}: {words}.{legend}"


def score_probabilities(reply: Reply, scale: Scale, options: AnswerOptions) -> Outcome:
    """The most probable verdict with the probabilities of all, or why there is none."""
    if reply.first_token_logprobs is None:
        message = (
            "the endpoint gives no probabilities: take `logprobs = True` out, or ask another model"
        )
        return Unscored(Status.ERROR, message)
    masses = _verdict_masses(reply.first_token_logprobs, options)
    valid_mass = math.fsum(masses.values())
    if valid_mass > _MAX_VALID_MASS:
        message = f"the endpoint's probabilities add up to {valid_mass:.3g}"
        return Unscored(Status.ERROR, message)
    if valid_mass < MIN_VALID_MASS:
        message = (
            f"what was offered has a probability of {valid_mass:.3g} only (valid mass), "
            f"less than {MIN_VALID_MASS:g}"
        )
        return Unscored(Status.UNPARSED, message)
    chances = tuple((verdict, mass / valid_mass) for verdict, mass in masses.items())
    return _likeliest_score(scale, chances, min(valid_mass, 1.0))


def _verdict_masses(
    logprobs: Sequence[tuple[str, float]], options: AnswerOptions
) -> dict[Value, float]:
    """The probability of each offered verdict, in the order of the options."""
    masses: defaultdict[str, float] = defaultdict(float)
    for token, logprob in logprobs:
        # Some endpoints round a probability of nearly 1 to a logarithm above 0.
        masses[_token_word(token)] += math.exp(min(logprob, 0.0))
    return {verdict: masses.get(word, 0.0) for word, verdict in options}


def _token_word(token: str) -> str:
    word = token.strip(_TOKEN_BLANKS)
    # A letter counts only as a capital: a small one may begin a sentence.
    return word.lower() if len(word) > 1 else word


def _likeliest_score(
    scale: Scale, chances: tuple[tuple[Value, float], ...], valid_mass: float
) -> Score:
    likeliest = max(chance for _, chance in chances)
    tied = [verdict for verdict, chance in chances if chance == likeliest]
    chosen = scale.worst_first(tied)[0]
    reason = f"{_chances_text(dict(chances))}; valid mass {valid_mass:.3g}"
    ballot = Ballot(confidence=likeliest, probabilities=chances)
    return Score(scale.value_of(chosen), reason, scale.label_of(chosen), 0, ballot)


def _chances_text(chances: Mapping[Value, float]) -> str:
    shown = [pair for pair in chances.items() if pair[1] >= _MIN_SHOWN_CHANCE]
    likeliest = sorted(shown, key=lambda pair: -pair[1])[:_MAX_SHOWN_CHANCES]
    return ", ".join(f"P({verdict_text(verdict)}) {chance:.3g}" for verdict, chance in likeliest)
