"""Error rule for a key that does not start its line: `group = conversation level = per_group`.

Each fix breaks the line before the key, so that the keys mean what they mean on lines of their own.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from rmg_dsl.diagnostics import Diagnostic, Fix
from rmg_dsl.syntax.bad_line import BadLine
from rmg_dsl.syntax.declarations import DeclarationSpec, block_keys, declarations
from rmg_dsl.syntax.doc import INDENT_WIDTH
from rmg_dsl.syntax.foreign_keys import foreign_key_help

_KEY_START = re.compile(r"([^\W\d]\w*)[ \t]*(=(?!=)|:)")
_RUBRIC_HEAD = re.compile(r"rubric[ \t]*:[ \t]*\Z")
_FIRST_WORD = re.compile(r"\w+")
_BARE_WORD = re.compile(r"=[ \t]*[^\W\d]\w*[ \t]*\Z")
_TEXT_START = re.compile(r"r?[\"']")
_TEXT_SHAPES = ("prompt", "text")
# Below this, `bool =` after a colon would pass for `pool =`.
_MIN_SIMILARITY = 0.8


def key_inside_line(m: BadLine) -> Diagnostic | None:
    """The parser stopped at a key after a value or a head: a line break is missing before it."""
    key = _key_at(m)
    if key is None or m.bracket_depth or not m.before.strip():
        return None
    if m.kind == "head":
        return _key_on_head_line(m, key)
    if m.kind == "criterion":
        return None
    if _RUBRIC_HEAD.search(m.before):
        return _key_after_rubric(m, key)
    if m.is_in_value:
        return _key_after_value(m, key)
    return None


def foreign_key(m: BadLine) -> Diagnostic | None:
    """`if = lang == "de"`: a key that no block has, and that is a word of the language."""
    word = re.match(r"(if|else|in|not)[ \t]*(?:=(?!=)|:)", m.text)
    help = foreign_key_help(word.group(1)) if word else ""
    if m.kind != "setting" or word is None or not help:
        return None
    return m.diagnose_at("RMG210", f"unknown key `{word.group(1)}`", m.span(0, word.end(1)), help)


def key_without_sign(m: BadLine) -> Diagnostic | None:
    """`refine response until rel >= 4:`: a key on the line of a head that takes none there."""
    head = re.match(r"(\w+)[ \t]+\w+", m.text)
    spec = declarations().get(head.group(1)) if head else None
    if m.kind != "head" or head is None or spec is None or spec.has_line or m.offset < head.end():
        return None
    words = "|".join(map(re.escape, spec.settings))
    tail = re.compile(rf"(?:[ \t]+(?:{words})[ \t]+(?!=)[^\n]+?)[ \t]*:?[ \t]*\Z")
    found = tail.match(m.text, head.end())
    if found is None:
        return None
    pieces = re.split(rf"[ \t]+({words})[ \t]+", found.group().rstrip(" \t:"))[1:]
    line_break = f"\n{_body_indent(m)}"
    keys = zip(pieces[::2], pieces[1::2], strict=True)
    lines = [f"{key} = {value.strip()}" for key, value in keys]
    text = ":" + "".join(f"{line_break}{line}" for line in lines)
    fix = Fix(m.span(head.end(), len(m.text)), text, "give each key its own line")
    return m.diagnose_at(
        "RMG102",
        f"`{head.group(1)}` is always a block, and its keys stand below this line",
        m.span(m.offset, m.offset + len(pieces[0])),
        f"write `{lines[0]}` on a line of its own below `{head.group()}:`",
        fix,
    )


def text_before_key(text: str) -> str:
    """The part of an unquoted text before `NAME =`, which may be a key; without one all of it.

    >>> text_before_key("How good is it? model = judge"), text_before_key("How good is it?")
    ('How good is it?', 'How good is it?')
    """
    return re.split(r"\s+[^\W\d]\w*[ \t]*=", text, maxsplit=1)[0]


def takes_text(key: str) -> bool:
    """Can the value of this key be a text? An unknown key may be a misspelt one that can.

    >>> takes_text("prompt"), takes_text("rounds")
    (True, False)
    """
    shapes = [spec.keys[key].shape for spec in declarations().values() if key in spec.keys]
    return not shapes or any(shape in _TEXT_SHAPES for shape in shapes)


def _key_at(m: BadLine) -> str | None:
    """The key that starts where the parser stopped, if the text there can be one."""
    start = _KEY_START.match(m.rest)
    if start is None or _is_quote_inside(m):
        return None
    name, sign = start.groups()
    if m.kind == "field":
        is_key = sign == "="
    elif sign == "=":
        is_key = bool(get_close_matches(name, block_keys(), 1, _MIN_SIMILARITY))
    else:
        is_key = name in block_keys() and not _is_prose_with_colon(m, name)
    if m.kind == "head" and m.text.startswith("fields"):
        is_key = sign == "="
    return name if is_key else None


def _is_quote_inside(m: BadLine) -> bool:
    """`"Say "level = 3" to me"`: a quote right before the name, and one more behind it."""
    quote = m.before[-1:]
    return quote in ("'", '"') and quote in m.rest


def _is_prose_with_colon(m: BadLine, name: str) -> bool:
    """`prompt = Good level: 5 points`: a word of an unquoted text with a colon behind it."""
    if name == "rubric" or not _BARE_WORD.search(m.before):
        return False
    first = _FIRST_WORD.match(m.text)
    return first is not None and (m.kind == "head" or takes_text(first.group()))


# ── inside a block ───────────────────────────────────────────────────────────────────────────────


def _key_after_value(m: BadLine, key: str) -> Diagnostic:
    start, end = m.end_before, m.offset + len(key)
    return _diagnose_key(m, key, start, end, f"\n{_indent(m)}{key}")


def _key_after_rubric(m: BadLine, key: str) -> Diagnostic:
    """`rubric: prompt = "…"`: the rubric's lines follow below, so its head moves behind the key."""
    text = m.text.rstrip()
    return _diagnose_key(m, key, 0, len(text), f"{m.rest.rstrip()}\n{_indent(m)}rubric:")


# ── on the line of a head ────────────────────────────────────────────────────────────────────────


def _key_on_head_line(m: BadLine, key: str) -> Diagnostic | None:
    keyword = _FIRST_WORD.match(m.text)
    spec = declarations().get(keyword.group()) if keyword else None
    if spec is None or not spec.has_block:
        return None
    end = m.offset + len(key)
    line_break = f"\n{_body_indent(m)}"
    if m.before.rstrip().endswith(":"):
        return _diagnose_key(m, key, m.end_before, end, f"{line_break}{key}")
    if m.is_in_value:
        return _key_after_line_form(m, key, spec)
    if spec.has_value or not re.search(r"\w[ \t]+\w", m.before):
        return None  # two words before `=`: more likely a name of two words than a key
    return _diagnose_key(m, key, m.end_before, end, f":{line_break}{key}")


def _key_after_line_form(m: BadLine, key: str, spec: DeclarationSpec) -> Diagnostic | None:
    """`grader kind -> bool = "…" model = judge`: a line form takes no keys, a block does."""
    start = m.value_start
    if start is None or not spec.has_value:
        return None
    value = m.text[start : m.end_before]
    value_key = spec.value_key
    if spec.text_key and _TEXT_START.match(value):
        value_key = spec.text_key
    line_break = f"\n{_body_indent(m)}"
    head_end = len(m.text[:start].rstrip().removesuffix("=").rstrip())
    text = f":{line_break}{value_key} = {value}{line_break}{key}"
    return _diagnose_key(m, key, head_end, m.offset + len(key), text)


# ── the diagnostic ───────────────────────────────────────────────────────────────────────────────


def _diagnose_key(m: BadLine, key: str, start: int, end: int, text: str) -> Diagnostic:
    """The key is the place; the fix replaces the characters from `start` to `end`."""
    noun = "key"
    if m.kind == "field" or m.text.startswith("fields"):
        noun = "field"
    fix = Fix(m.span(start, end), text, f"begin a new line before `{key}`")
    return m.diagnose_at(
        "RMG101",
        f"each {noun} stands on its own line",
        m.span(m.offset, m.offset + len(key)),
        f"begin a new line before `{key}`",
        fix,
    )


def _indent(m: BadLine) -> str:
    """The blanks before the line, as they are written."""
    line = m.source.line_span(m.start)
    before = m.source.text[line.start : m.start]
    return before[: len(before) - len(before.lstrip())]


def _body_indent(m: BadLine) -> str:
    """The blanks of the lines below a head; without such lines the usual ones."""
    end = m.source.line_span(m.start + len(m.text) - 1).end
    below = re.compile(r"(?:\n[ \t]*(?:#[^\n]*)?)*\n([ \t]+)[^\s#]").match(m.source.text, end)
    return below.group(1) if below else " " * INDENT_WIDTH
