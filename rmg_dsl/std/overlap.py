"""Graders that measure the overlap of a response and a reference, from 0 (none) to 1 (equal)."""

from __future__ import annotations

from collections import Counter

from rmg_dsl.std.fast import text_edit_distance, word_lcs_length
from rmg_dsl.std.ngrams import shared_count, token_ngrams
from rmg_dsl.std.tokens import squad_words, unicode_words


def rouge_1(response: str, reference: str) -> float:
    """ROUGE-1 F-measure, 0 to 1: the words that both texts share, in any order.

    >>> rouge_1("The cat sat.", "the cat ran")
    0.6666666666666666
    >>> rouge_1("猫が好き", "犬が好き"), rouge_1("", "")
    (0.75, 0.0)

    Equal to `rouge_score` without stemming on ASCII texts; `tokens.unicode_words` defines the words
    of other texts. 0 where either text has no word, both included, as there. NFC and NFD are alike.
    Source: Lin 2004.
    """
    return _rouge_n(response, reference, 1)


def rouge_2(response: str, reference: str) -> float:
    """ROUGE-2 F-measure, 0 to 1: the pairs of neighbouring words that both texts share.

    >>> rouge_2("the cat sat down", "The cat sat up")
    0.6666666666666666
    >>> rouge_2("Paris", "Paris")  # a single word holds no pair
    0.0

    Equal to `rouge_score` on ASCII texts, and the words are those of `rouge_1`. 0 where either text
    has fewer than two words, even if both are the same: prefer `rouge_l` for short answers.
    """
    return _rouge_n(response, reference, 2)


def rouge_l(response: str, reference: str) -> float:
    """ROUGE-L F-measure, 0 to 1: the longest series of words that both texts have in order.

    >>> rouge_l("the cat quietly sat", "The cat sat.")
    0.8571428571428571
    >>> rouge_l("Paris", "Paris"), rouge_l("Paris", "")
    (1.0, 0.0)

    Equal to `rouge_score` (its `rougeL`, not `rougeLsum`: line breaks have no meaning) on ASCII
    texts, and the words are those of `rouge_1`. 0 where either text has no word, both included.
    """
    ours = unicode_words(response)
    theirs = unicode_words(reference)
    shared = word_lcs_length(ours, theirs)
    return _f_measure(shared, len(ours), len(theirs))


def _rouge_n(response: str, reference: str, order: int) -> float:
    ours = token_ngrams(unicode_words(response), order)
    theirs = token_ngrams(unicode_words(reference), order)
    shared = shared_count(ours, theirs)
    return _f_measure(shared, ours.total(), theirs.total())


def _f_measure(shared: int, ours: int, theirs: int) -> float:
    """The harmonic mean of shared/ours and shared/theirs."""
    if not shared:
        return 0.0
    # This form rounds once, so equal texts score exactly 1.
    return 2 * shared / (ours + theirs)


def token_f1(response: str, reference: str) -> float:
    """SQuAD F1, 0 to 1: shared words without case, punctuation and articles.

    >>> token_f1("the Eiffel Tower, Paris", "Eiffel tower")
    0.8
    >>> token_f1("上海市", "上海"), token_f1("The!", "a"), token_f1("", "Paris")
    (0.8, 1.0, 0.0)

    Equal to the official SQuAD 2.0 formula; `tokens.squad_words` defines words outside English. Two
    texts with no word left score 1, one such text scores 0. NFC and NFD are alike. Source:
    Rajpurkar et al. 2018.
    """
    ours = squad_words(response)
    theirs = squad_words(reference)
    # As in SQuAD 2.0: no answer is right where none is expected.
    if not ours or not theirs:
        return float(ours == theirs)
    shared = shared_count(Counter(ours), Counter(theirs))
    return _f_measure(shared, len(ours), len(theirs))


def levenshtein(response: str, reference: str) -> float:
    """Normalized edit similarity, 0 to 1: 1 minus the edit distance over the longer length.

    >>> levenshtein("kitten", "sitting")
    0.5714285714285714
    >>> levenshtein("", ""), levenshtein("abc", "")
    (1.0, 0.0)

    A similarity, not the distance: higher is better. Equal to
    `rapidfuzz.distance.Levenshtein.normalized_similarity`. It counts code points as they are, so
    case matters, NFC and NFD differ, and one visible emoji may be several. The time grows with the
    product of the lengths that differ.
    """
    longest = max(len(response), len(reference))
    if not longest:
        return 1.0
    return 1 - text_edit_distance(response, reference) / longest


def jaccard(response: str, reference: str) -> float:
    """Jaccard index, 0 to 1: the share of distinct words that both texts have.

    >>> jaccard("the cat sat", "The cat ran!")
    0.5
    >>> jaccard("yes yes yes", "yes"), jaccard("", ""), jaccard("", "yes")
    (1.0, 1.0, 0.0)

    Words are those of `rouge_1` (no case, no punctuation), not the parts between white space. Two
    texts without a word score 1. NFC and NFD are alike. Source: Jaccard 1901.
    """
    ours = set(unicode_words(response))
    theirs = set(unicode_words(reference))
    if not ours and not theirs:
        return 1.0
    return len(ours & theirs) / len(ours | theirs)
