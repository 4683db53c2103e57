"""What may be written inside of quotes: names and filters in the tags of a prompt, providers, names of columns."""

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


def text_offers(cursor: Cursor, known: SpecNames) -> tuple[Iterable[Offer], int]:
    """What may stand at a cursor inside of quotes, and how many characters before it that replaces."""
    assert cursor.text is not None
    seen = expected_next(cursor.kind, cursor.line)
    if _is_template(cursor, seen):
        return _template_offers(cursor, known), len(cursor.word)
    calls = open_calls(seen.tokens) if seen else []
    function = calls[-1].function if calls and not calls[-1].is_argument_begun else ""
    if function == "llm" and not calls[-1].argument_index:
        return _provider_offers(known), len(cursor.text)
    if function == "column":
        return [Offer(name, "column") for name in known.columns], len(cursor.text)
    return (), 0


def _provider_offers(known: SpecNames) -> list[Offer]:
    local = Offer(
        "local/lexical", "model", "the embedded word-overlap baseline; no key, no network"
    )
    return [local, *(Offer(f"{name}/", "provider") for name in known.universe.providers)]


# ── templates ─────────────────────────────────────────────────────────────────────────────────────


def _is_template(cursor: Cursor, seen: ExpectedNext | None) -> bool:
    """Is the text a prompt, a rubric line or another template? All other texts are plain."""
    if cursor.kind == "criterion":
        return cursor.line.rstrip().endswith(":")
    if seen is None or not seen.tokens or seen.tokens[-1].type != "EQUAL":
        return False
    if cursor.kind == "head":
        spec = declarations().get(seen.tokens[0].text)
        return spec is not None and bool(spec.text_key) and not open_calls(seen.tokens)
    key = keys_of(cursor.owner).get(seen.tokens[0].text)
    return key is not None and key.shape == "prompt"


def _template_offers(cursor: Cursor, known: SpecNames) -> Iterable[Offer]:
    assert cursor.text is not None
    written = cursor.text[: len(cursor.text) - len(cursor.word)]
    opening, tag = _open_tag(written)
    if not opening:
        return () if written.endswith("{") else _wrap_in_braces(_operand_offers(cursor, known))
    if opening == "{#":
        return ()
    if opening == "{%" and not tag.strip():
        return [Offer(word, "keyword", doc) for word, doc in STATEMENTS.items()]
    if _AFTER_VALUE.search(tag) and not _expects_operand(tag):
        return [Offer(word, "keyword") for word in WORDS_IN_TAGS]
    return _tag_offers(cursor, tag, written, known)


def _tag_offers(cursor: Cursor, tag: str, written: str, known: SpecNames) -> Iterable[Offer]:
    before = tag.rstrip()
    if before.endswith("|"):
        return [Offer(name, "filter") for name in sorted(FILTERS)]
    if re.search(r"\bis(?:\s+not)?\Z", before):
        return [Offer(name, "test") for name in sorted(TESTS) if name.isidentifier()]
    if before.endswith("."):
        return (
            [Offer(name, "loop") for name in sorted(LOOP_ATTRIBUTES)]
            if before.endswith("loop.")
            else ()
        )
    local = [
        Offer(name, "word", "of this prompt")
        for name in dict.fromkeys(_LOCAL_NAME.findall(written))
    ]
    loop = (
        [Offer("loop", "word", "this round: loop.index, loop.first, loop.last")]
        if "{% for" in written
        else []
    )
    return (*local, *_operand_offers(cursor, known), *loop)


def _wrap_in_braces(offers: Iterable[Offer]) -> Iterable[Offer]:
    """In the plain text of a prompt a name is typed, and its tag is written."""
    return [Offer(f"{{{{ {offer.text} }}}}", offer.kind, offer.doc, offer.text) for offer in offers]


def _operand_offers(cursor: Cursor, known: SpecNames) -> Iterable[Offer]:
    return (*_owner_offers(cursor), *_template_value_offers(cursor, known))


def _owner_offers(cursor: Cursor) -> Sequence[Offer]:
    """The names that only this template has, such as `a` and `b` of a comparison."""
    if cursor.kind != "setting":
        return ()
    word = _FIRST_WORD.match(cursor.line)
    key = keys_of(cursor.owner).get(word.group()) if word else None
    if key is None:
        return ()
    return [Offer(name, "word", doc) for name, doc in key.names.items()]


def _template_value_offers(cursor: Cursor, known: SpecNames) -> Iterable[Offer]:
    """A prompt sees fields, columns and params, never scores; the lines of a rubric are the same for every row."""
    params = known.declaration_offers("param")
    if cursor.kind == "criterion":
        return params
    return (*known.declaration_offers("field"), *known.column_offers(plain=True), *params)


def _open_tag(written: str) -> tuple[str, str]:
    """The tag that is open at the end of a text, and what stands in it so far."""
    at = 0
    while found := _OPENING.search(written, at):
        opening = found.group()[:2]
        end = written.find(_CLOSING[opening], found.end())
        if end < 0:
            return opening, written[found.end() :]
        at = end + 2
    return "", ""


def _expects_operand(tag: str) -> bool:
    """Does a value still have to come: after `if`, `in`, `and`?"""
    return re.search(r"\b(?:if|elif|else|and|or|not|in|is|set|for)\s+\Z", tag) is not None
