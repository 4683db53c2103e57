"""Graders that count n-grams: BLEU over tokens, chrF over characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import exp, log
from typing import TypeVar

from rmg_dsl.std.tokens import chinese_tokens, has_han_or_kana, mteval_tokens

Item = TypeVar("Item", bound=Hashable)

BLEU_ORDERS = range(1, 5)
CHRF_ORDERS = range(1, 7)
CHRF_RECALL_WEIGHT = 4  # beta squared: recall counts twice as much as precision


def bleu(response: str, reference: str) -> float:
    """Sentence BLEU, 0 to 1: shared word sequences of one to four words.

    >>> round(bleu("The cat sat on a mat.", "The cat sat on the mat."), 4)
    0.4889
    >>> bleu("same words", "same words"), bleu("", "words")
    (1.0, 0.0)

    Equal to `sacrebleu.sentence_bleu(response, [reference]).score / 100` with its defaults (13a
    tokens, case kept, exponential smoothing, effective order), except where the reference holds Han
    or kana: there it is sacrebleu's `tokenize="zh"`, with each kana a token as well. The response
    never decides the tokenization. 0 where either text has no tokens, both empty included, or no
    token is shared. The brevity penalty lowers the score of a short response, so the arguments are
    not interchangeable. NFC and NFD differ. Source: Papineni et al. 2002.
    """
    tokens = mteval_tokens
    # The reference decides: a response must not choose how it is measured.
    if has_han_or_kana(reference):
        tokens = chinese_tokens
    ours = tokens(response)
    theirs = tokens(reference)
    logs = _smoothed_log_precisions(ours, theirs)
    if not logs:
        return 0.0
    # The logarithm of the brevity penalty: 0 for a response as long as the reference.
    brevity = min(0.0, 1 - len(theirs) / len(ours))
    return exp(brevity + sum(logs) / len(logs))


def _smoothed_log_precisions(ours: list[str], theirs: list[str]) -> list[float]:
    """The logarithm of the precision of each order that the response is long enough for.

    Without a shared token the list is empty.
    """
    logs: list[float] = []
    halving = 1
    for order in BLEU_ORDERS:
        total = len(ours) - order + 1
        if total <= 0:
            break
        shared = shared_count(token_ngrams(ours, order), token_ngrams(theirs, order))
        if shared:
            logs.append(log(shared / total))
            continue
        # Smoothing must not give a score to texts that have nothing in common.
        if order == 1:
            break
        # Exponential smoothing: each order without a match counts half as much as the one before.
        halving *= 2
        logs.append(-log(halving * total))
    return logs


def chrf(response: str, reference: str) -> float:
    """chrF2, 0 to 1: shared character sequences of one to six characters.

    >>> round(chrf("The cat sat", "The cats sat"), 4)
    0.6866
    >>> chrf("Größe", "Größe"), chrf("abc", "xyz"), chrf("", "")
    (1.0, 0.0, 0.0)

    Equal to `sacrebleu.sentence_chrf(response, [reference]).score / 100` with its defaults (white
    space ignored, case kept, no word n-grams, beta 2). It needs no words, so it serves every
    script. 0 where either text is blank, both included. Recall weighs more, so the arguments are
    not interchangeable. NFC and NFD differ. Source: Popović 2015.
    """
    ours = "".join(response.split())
    theirs = "".join(reference.split())
    # The effective order: n-grams that are longer than a text do not count.
    shortest = min(len(ours), len(theirs))
    orders = [order for order in CHRF_ORDERS if order <= shortest]
    shared = [
        shared_count(character_ngrams(ours, order), character_ngrams(theirs, order))
        for order in orders
    ]
    if not any(shared):
        return 0.0
    precision = _mean_share(shared, orders, len(ours))
    recall = _mean_share(shared, orders, len(theirs))
    weighted = CHRF_RECALL_WEIGHT * precision + recall
    score = (1 + CHRF_RECALL_WEIGHT) * precision * recall / weighted
    # Rounding may give a little more than 1 for equal texts.
    return min(score, 1.0)


def _mean_share(shared: list[int], orders: list[int], length: int) -> float:
    """The mean over the orders of the share of a text's n-grams that are in the other text too."""
    totals = [length - order + 1 for order in orders]
    shares = [count / total for count, total in zip(shared, totals, strict=True)]
    return sum(shares) / len(shares)


def token_ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """Count the runs of `order` tokens.

    >>> token_ngrams(["a", "b", "a", "b"], 2)
    Counter({('a', 'b'): 2, ('b', 'a'): 1})
    """
    # Copies of the tokens, each shifted by one more; `zip` ends with the shortest of them.
    shifted = [tokens[start:] for start in range(order)]
    return Counter(zip(*shifted, strict=False))


def character_ngrams(text: str, order: int) -> Counter[str]:
    """Count the substrings of `order` characters.

    >>> character_ngrams("abab", 2)
    Counter({'ab': 2, 'ba': 1})
    """
    starts = range(len(text) - order + 1)
    return Counter(text[start : start + order] for start in starts)


def shared_count(left: Counter[Item], right: Counter[Item]) -> int:
    """Return how many items two counts have in common, repeats included.

    >>> shared_count(Counter("aab"), Counter("abb"))
    2
    """
    return sum(min(count, right[item]) for item, count in left.items() if item in right)
