"""Completion inside of quotes: names and filters of a prompt, providers, columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rmg_dsl.editing.code import open_calls
from rmg_dsl.editing.cursor import Cursor
from rmg_dsl.editing.names import Offer, SpecNames
from rmg_dsl.prompts.sandbox import FILTERS, LOOP_ATTRIBUTES
from rmg_dsl.prompts.template import TESTS
from rmg_dsl.syntax.declarations import declarations, keys_of
from rmg_dsl.syntax.expected import ExpectedNext, expected_next

_OPENING = re.compile(r"\{\{-?|\{%-?|\{#")
_CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
_LOCAL_NAME = re.compile(r"\{%-?\s*(?:for|set)\s+([^\W\d]\w*)")
_FIRST_WORD = re.compile(r"\w+")
_AFTER_VALUE = re.compile(r"[\w)\]\"']\s+\Z")
# Words and statements of Jinja that the sandbox allows.
WORDS_IN_TAGS = ("if", "else", "and", "or", "in", "is", "not")
STATEMENTS = {
    "if": "a part that is left out where the condition does not hold",
    "elif": "another condition",
    "else": "what stands there otherwise",
    "endif": "the end of the part",
    "for": "once for each item",
    "endfor": "the end of the loop",
    "set": "a name for what follows",
    "raw": "plain text, braces and all",
    "endraw": "the end of the plain text",
}


def text_offers(cursor: Cursor, names: SpecNames) -> tuple[Iterable[Offer], int]:
    """What may stand at a cursor inside of quotes, and how many characters before it to replace."""
    assert cursor.text is not None
    expected = expected_next(cursor.kind, cursor.line)
    if _is_template(cursor, expected):
        return _template_offers(cursor, names), len(cursor.word)
    calls = open_calls(expected.tokens) if expected else []
    if not calls or calls[-1].is_argument_begun:
        return (), 0
    call = calls[-1]
    # Both texts are one name: an offer replaces all of it, slashes and blanks too.
    if call.function == "llm" and not call.argument_index:
        return _provider_offers(names), len(cursor.text)
    if call.function == "column":
        return [Offer(name, "column") for name in names.columns], len(cursor.text)
    return (), 0


def _provider_offers(names: SpecNames) -> list[Offer]:
    doc = "the embedded word-overlap baseline; no key, no network"
    local = Offer("local/lexical", "model", doc)
    return [local, *(Offer(f"{name}/", "provider") for name in names.universe.providers)]


# ── templates ─────────────────────────────────────────────────────────────────────────────────────


def _is_template(cursor: Cursor, expected: ExpectedNext | None) -> bool:
    """Is the text a template: a prompt or a rubric line?"""
    if cursor.kind == "criterion":
        return cursor.line.rstrip().endswith(":")
    if expected is None or not expected.tokens or expected.tokens[-1].type != "EQUAL":
        return False
    if cursor.kind == "head":
        spec = declarations().get(expected.tokens[0].text)
        return spec is not None and bool(spec.text_key) and not open_calls(expected.tokens)
    key = keys_of(cursor.owner).get(expected.tokens[0].text)
    return key is not None and key.shape == "prompt"


def _template_offers(cursor: Cursor, names: SpecNames) -> Iterable[Offer]:
    assert cursor.text is not None
    written = cursor.text[: len(cursor.text) - len(cursor.word)]
    opening, tag = _open_tag(written)
    if not opening and written.endswith("{"):
        return ()  # half of a tag: which one is not known yet
    if not opening:
        return _wrap_in_braces(_operand_offers(cursor, names))
    if opening == "{#":
        return ()
    if opening == "{%" and not tag.strip():
        return [Offer(word, "keyword", doc) for word, doc in STATEMENTS.items()]
    # Behind a value an operator must follow, behind an operator a value.
    if _AFTER_VALUE.search(tag) and not _expects_operand(tag):
        return [Offer(word, "keyword") for word in WORDS_IN_TAGS]
    return _tag_offers(cursor, tag, written, names)


def _tag_offers(cursor: Cursor, tag: str, written: str, names: SpecNames) -> Iterable[Offer]:
    before = tag.rstrip()
    if before.endswith("|"):
        return [Offer(name, "filter") for name in sorted(FILTERS)]
    if re.search(r"\bis(?:\s+not)?\Z", before):
        return [Offer(name, "test") for name in sorted(TESTS) if name.isidentifier()]
    if before.endswith("loop."):
        return [Offer(name, "loop") for name in sorted(LOOP_ATTRIBUTES)]
    if before.endswith("."):
        return ()  # the attributes of a value of the data are not known
    local_names = dict.fromkeys(_LOCAL_NAME.findall(written))
    offers = [Offer(name, "word", "of this prompt") for name in local_names]
    offers += _operand_offers(cursor, names)
    if "{% for" in written:
        offers.append(Offer("loop", "word", "this round: loop.index, loop.first, loop.last"))
    return offers


def _wrap_in_braces(offers: Iterable[Offer]) -> Iterable[Offer]:
    """Offers for the plain text of a prompt: the author types a name and gets its tag."""
    return [Offer(f"{{{{ {offer.text} }}}}", offer.kind, offer.doc, offer.text) for offer in offers]


def _operand_offers(cursor: Cursor, names: SpecNames) -> Iterable[Offer]:
    return (*_owner_offers(cursor), *_template_value_offers(cursor, names))


def _owner_offers(cursor: Cursor) -> Sequence[Offer]:
    """The names that only this template has, such as `a` and `b` of a comparison."""
    if cursor.kind != "setting":
        return ()
    word = _FIRST_WORD.match(cursor.line)
    key = keys_of(cursor.owner).get(word.group()) if word else None
    if key is None:
        return ()
    return [Offer(name, "word", doc) for name, doc in key.names.items()]


def _template_value_offers(cursor: Cursor, names: SpecNames) -> Iterable[Offer]:
    """The values that a template may use: fields, columns and params, never scores."""
    params = names.declaration_offers("param")
    # The lines of a rubric are the same for every row.
    if cursor.kind == "criterion":
        return params
    return (*names.declaration_offers("field"), *names.column_offers(plain=True), *params)


def _open_tag(written: str) -> tuple[str, str]:
    """The opening of the tag that is open at the end of a text, and the tag so far."""
    place = 0
    while match := _OPENING.search(written, place):
        opening = match.group()[:2]
        end = written.find(_CLOSING[opening], match.end())
        if end < 0:
            return opening, written[match.end() :]
        place = end + len(_CLOSING[opening])
    return "", ""


def _expects_operand(tag: str) -> bool:
    """Must a value follow, as after `if`, `in` or `and`?"""
    return re.search(r"\b(?:if|elif|else|and|or|not|in|is|set|for)\s+\Z", tag) is not None
