"""Tokenizers, one function per convention.

Each gives the tokens of the published tokenizer wherever that one is defined.
"""

from __future__ import annotations

import re
from string import punctuation
from unicodedata import category, normalize

_HAN_AND_KANA = (
    "\u3005-\u3007\u3041-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAN_OR_KANA = re.compile(f"[{_HAN_AND_KANA}]")
# Scripts without spaces between words: the above, then letters and marks of Thai, Lao, Myanmar and
# Khmer. Their digits are left out, so that a number stays one token. Korean has spaces.
_UNSPACED_SCRIPTS = re.compile(
    f"[{_HAN_AND_KANA}\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece"
    "\u1000-\u103f\u1050-\u108f\u1780-\u17d3]"
)
# Soft hyphens, joiners, direction marks, variation selectors, tags: invisible, so they do not
# separate words.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_ASCII_WORD = re.compile("[a-z0-9]+")
_WORD_CLASSES = re.compile("UM*|L[LM]*")


def unicode_words(text: str) -> list[str]:
    """Return the words of a text for ROUGE and Jaccard, without case and punctuation.

    >>> unicode_words("The naïve cat's 2 PAWS.")
    ['the', 'naïve', 'cat', 's', '2', 'paws']
    >>> unicode_words("東京 Tower 👍🏽")
    ['東', '京', 'tower', '👍']

    On ASCII text these are the tokens of `rouge_score` without its stemmer: runs of a-z and 0-9,
    lower-cased. That package drops all other letters, so that Greek or Chinese would always score
    0. Here a word is a run of Unicode letters, digits and their marks, casefolded (`Straße` is
    `STRASSE`), NFC and NFD alike; invisible characters are ignored. A letter of a script without
    spaces between words (Han, kana, Thai, Lao, Khmer, Myanmar) is a token of its own, and so is an
    emoji. Korean stays in words. A text without a letter, digit or emoji has no tokens.
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    decomposed = normalize("NFD", text)
    # NFC after casefolding: it joins a letter and its marks to one character where there is one.
    composed = normalize("NFC", decomposed.casefold())
    folded = _INVISIBLE.sub("", composed)
    # One class per distinct character, then one pattern over the classes: no call per character.
    distinct = set(folded)
    classes = {ord(character): _character_class(character) for character in distinct}
    matches = _WORD_CLASSES.finditer(folded.translate(classes))
    return [folded[match.start() : match.end()] for match in matches]


def _character_class(character: str) -> str:
    """L: part of a word. U: a word by itself. M: a mark of what precedes it. Else a separator."""
    sort = category(character)
    if _UNSPACED_SCRIPTS.match(character) and sort[0] in "LMN":
        return "U"
    if sort[0] == "M":
        return "M"
    if sort == "So":
        return "U"
    if character.isalnum():
        return "L"
    return " "


_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def squad_words(text: str) -> list[str]:
    """Return the words of a text for SQuAD F1: lower case, no punctuation, no English articles.

    >>> squad_words("The U.S. Congress, an 'assembly'")
    ['us', 'congress', 'assembly']
    >>> squad_words("北京（市）")
    ['北', '京', '市']

    Equal to the official SQuAD script wherever the punctuation is ASCII, the text is NFC and every
    script puts spaces between words. Beyond that: all Unicode punctuation goes (as in MLQA, so that
    `don’t` is `don't`), the text is brought to NFC, and letters of scripts without spaces are
    single tokens.
    """
    lowered = normalize("NFC", text).lower()
    marks = [mark for mark in set(lowered) if _is_punctuation(mark)]
    bare = lowered.translate(dict.fromkeys(map(ord, marks)))
    without_articles = _ARTICLE.sub(" ", bare)
    return _UNSPACED_SCRIPTS.sub(r" \g<0> ", without_articles).split()


def _is_punctuation(character: str) -> bool:
    # ASCII symbols such as `$` are punctuation in the official script, but not in Unicode.
    return character in punctuation or category(character)[0] == "P"


_SYMBOL = re.compile(r"[!-&(-+/:-@\[-`{-~]")
_STOP_AFTER_TEXT = re.compile(r"([^0-9])([.,])")
_STOP_BEFORE_TEXT = re.compile(r"([.,])([^0-9])")
_DASH_AFTER_DIGIT = re.compile(r"([0-9])-")
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def mteval_tokens(text: str) -> list[str]:
    """Return the tokens of NIST's mteval-v13a, the usual ones for BLEU: "13a" in sacrebleu.

    >>> mteval_tokens("It's 1,000.5 &amp; more, isn't it?")
    ["It's", '1,000.5', '&', 'more', ',', "isn't", 'it', '?']

    ASCII punctuation is a token of its own, except the apostrophe, a dash that does not follow a
    digit, and a point or comma between digits. Case is kept; non-ASCII punctuation is not split.
    """
    line = text.rstrip().replace("<skipped>", "")
    # A word that is hyphenated at the end of a line is one word.
    line = line.replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        line = line.replace(entity, character)
    return _split_mteval(f" {line} ")


def _split_mteval(line: str) -> list[str]:
    line = _SYMBOL.sub(r" \g<0> ", line)
    line = _STOP_AFTER_TEXT.sub(r"\1 \2 ", line)
    line = _STOP_BEFORE_TEXT.sub(r" \1 \2", line)
    return _DASH_AFTER_DIGIT.sub(r"\1 - ", line).split()


# The characters that sacrebleu's `zh` makes single tokens. U+2001 to U+2A6D (quotes, dashes,
# arrows) is a mistake in its table of Extension B; it stays, so that scores are equal. The range of
# kana is an addition.
_ZH_SINGLE_TOKENS = re.compile(
    "[\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef"
    "\u3200-\u33ff\u3400-\u4db5"
    "\u3041-\u30ff\u31f0-\u31ff"
    "\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]"
)


def has_han_or_kana(text: str) -> bool:
    """Return whether a text has Han or kana: it is, at least in part, Chinese or Japanese.

    >>> has_han_or_kana("in 東京"), has_han_or_kana("서울에서")
    (True, False)
    """
    return _HAN_OR_KANA.search(text) is not None


def chinese_tokens(text: str) -> list[str]:
    """Return Chinese characters and kana as single tokens, the rest as `mteval_tokens` does.

    >>> chinese_tokens("北京 2008, ok?")
    ['北', '京', '2008', ',', 'ok', '?']

    Without kana the result is that of sacrebleu's `tokenize="zh"`. With kana, sacrebleu's `zh`
    would leave whole phrases as one token.
    """
    return _split_mteval(_ZH_SINGLE_TOKENS.sub(r" \g<0> ", text.strip()))
