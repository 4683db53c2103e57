"""What may be written in code: at the start of a line, as a name, inside of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rmg_dsl.editing.cursor import Cursor
from rmg_dsl.editing.names import SCORED_KINDS, Offer, SpecNames
from rmg_dsl.editing.spec_docs import word_meaning
from rmg_dsl.syntax.declarations import KeySpec, Shape, declarations, keys_of
from rmg_dsl.syntax.expected import ExpectedNext, LineToken, expected_next
from rmg_dsl.syntax.keywords import grammar_keywords

STD = Offer("std", "library", "the graders of the standard library: std.relevance")
PYTHON = Offer("python", "function", 'python("module:function", name = value): a Python function')
LLM = Offer("llm", "function", 'llm("provider/name", setting=value): a model')
PANEL = Offer("panel", "function", "panel(a, b, c): several declared models as one judge")

# The words that a value of this shape can use, of those that the grammar takes in any expression.
_WORDS_BY_SHAPE: Mapping[Shape, tuple[str, ...]] = {
    "bool": ("True", "False"),
    "model": ("when",),
    "words": (),
    "count": (),
    "text": (),
    "prompt": (),
    "fields": (),
    "score": (),
    "scores": (),
}
_WORDS_BY_DECLARATION: Mapping[str, tuple[str, ...]] = {
    "model": (),
    "fields": (),
    "validate": ("against",),
}


class OpenCall(NamedTuple):
    """A call that is still open: what is called, which argument this is, its label, and whether it has begun."""

    function: str
    argument_index: int
    label: str
    is_argument_begun: bool
    labels: tuple[str, ...]


def code_offers(cursor: Cursor, known: SpecNames) -> Iterable[Offer]:
    """What may stand at a cursor outside of texts, the likeliest first."""
    seen = expected_next(cursor.kind, cursor.line)
    if seen is None:
        return _row_value_offers(known) if "=" in cursor.line else ()
    if seen.tokens and seen.tokens[-1].type == "DOT":
        return known.std_grader_offers() if seen.tokens[-2].text == "std" else ()
    key = _key_at_cursor(cursor, seen)
    named = _name_offers(cursor, seen, key, known) if seen.allows_name else ()
    return (*named, *_keyword_offers(cursor, seen, key, known))


def _key_at_cursor(cursor: Cursor, seen: ExpectedNext) -> KeySpec | None:
    """The key whose value is being written, if it is one."""
    if cursor.kind != "setting" or not seen.tokens:
        return None
    return keys_of(cursor.owner).get(seen.tokens[0].text)


def _keyword_offers(
    cursor: Cursor, seen: ExpectedNext, key: KeySpec | None, known: SpecNames
) -> list[Offer]:
    """The grammar's own words, where they make sense; `rubric` is offered among the keys."""
    if cursor.kind == "setting" and not seen.tokens:
        return []
    unfit = {spec.keyword for spec in declarations().values() if spec.is_library_only}
    if key is None or not key.has_when:
        unfit.add("when")
    if known.has_edition:
        unfit.add("rmg")
    wanted = [word for word in seen.keywords if word not in unfit]
    few = _allowed_words(cursor, seen, key)
    return [
        Offer(word, *_keyword_details(word, cursor))
        for word in wanted
        if few is None or word in few
    ]


def _allowed_words(
    cursor: Cursor, seen: ExpectedNext, key: KeySpec | None
) -> tuple[str, ...] | None:
    """The words that fit where the grammar takes any expression and the checker does not."""
    if key is not None:
        return None if _has_terminal(seen, "WHEN") else _WORDS_BY_SHAPE.get(key.shape)
    if cursor.kind == "head" and seen.tokens:
        return _WORDS_BY_DECLARATION.get(seen.tokens[0].text)
    return None


def _keyword_details(word: str, cursor: Cursor) -> tuple[str, str]:
    if (
        cursor.kind == "head"
        and not cursor.line.strip()
        and word in grammar_keywords().declarations
    ):
        return "keyword", word_meaning("declaration", word)
    if word in grammar_keywords().scale:
        return "scale", word_meaning("scale", word) or "lower is better"
    return ("constant" if word in grammar_keywords().constants else "keyword"), ""


def _has_terminal(seen: ExpectedNext, terminal: str) -> bool:
    return any(piece.type == terminal for piece in seen.tokens)


# ── names ─────────────────────────────────────────────────────────────────────────────────────────


def _name_offers(
    cursor: Cursor, seen: ExpectedNext, key: KeySpec | None, known: SpecNames
) -> Iterable[Offer]:
    """What a name can mean here."""
    if cursor.kind == "criterion":
        return ()
    if cursor.kind == "field":
        return _value_offers("field", seen, known) if seen.tokens else ()
    if cursor.kind == "setting":
        return _setting_offers(seen, key, known) if seen.tokens else _key_offers(cursor)
    return _head_offers(seen, known)


def _key_offers(cursor: Cursor) -> Iterable[Offer]:
    """The keys that the block does not have yet."""
    return [
        Offer(key.name, "key", key.doc)
        for key in keys_of(cursor.owner).values()
        if key.name not in cursor.keys
    ]


def _head_offers(seen: ExpectedNext, known: SpecNames) -> Iterable[Offer]:
    keyword = seen.tokens[0].text
    if keyword == "from":
        path = seen.tokens[1].text.strip("\"'")
        return () if seen.tokens[-1].type == "AS" else known.import_offers(path)
    if keyword == "validate" and _has_terminal(seen, "AGAINST"):
        return known.column_offers(plain=False)
    if len(seen.tokens) > 1 or keyword == "require":
        return _value_offers(keyword, seen, known)
    spec = declarations().get(keyword)
    if spec is not None and spec.name_role == "field":
        return (*known.declaration_offers("field"), *known.column_offers(plain=True))
    if spec is not None and spec.name_role == "score":
        return known.declaration_offers(*SCORED_KINDS)
    return ()


def _setting_offers(seen: ExpectedNext, key: KeySpec | None, known: SpecNames) -> Iterable[Offer]:
    if key is None:
        return _value_offers("fields", seen, known)
    own = [Offer(name, "word", doc) for name, doc in key.names.items() if key.shape != "prompt"]
    if _has_terminal(seen, "WHEN"):
        return (*own, *known.declaration_offers("param"))
    words_of_key = [Offer(word, "value", key.doc) for word in key.words]
    return (*own, *words_of_key, *_value_offers(_ROLE_BY_SHAPE.get(key.shape, ""), seen, known))


_ROLE_BY_SHAPE: Mapping[Shape, str] = {
    "model": "models",
    "expr": "aggregate",
    "condition": "aggregate",
    "score": "scores",
    "scores": "scores",
    "fields": "fields",
    "rubric": "fields",
}


def _value_offers(role: str, seen: ExpectedNext, known: SpecNames) -> Iterable[Offer]:
    """The names for the value of a declaration, a key or a field, outside and inside of calls."""
    calls = open_calls(seen.tokens)
    inner = next((call for call in reversed(calls) if call.function), None)
    if inner is not None and inner.function in ("llm", "panel"):
        return _model_argument_offers(inner, known)
    labels = _label_offers(calls[-1], known) if calls and not calls[-1].is_argument_begun else ()
    if labels and calls[-1].function not in known.universe.functions:
        return labels  # a grader is called with names rebound, and in no other way
    found = _OFFERS_BY_ROLE.get(_role_inside_calls(role, calls, known), _no_offers)(known)
    only_python = role == "grader" and seen.tokens[-1].type == "EQUAL" and not calls
    return (*labels, *found, *((PYTHON,) if only_python else ()))


def _role_inside_calls(role: str, calls: Sequence[OpenCall], known: SpecNames) -> str:
    """In a `require`, a function over the rows is about each of them."""
    if role != "require":
        return role
    functions = (known.universe.functions.get(call.function) for call in calls)
    of_rows = any(f is not None and any(p.type == "rows" for p in f.parameters) for f in functions)
    return "each row" if of_rows else "rows"


def _model_argument_offers(call: OpenCall, known: SpecNames) -> Iterable[Offer]:
    if call.function == "panel":
        return known.declaration_offers("model")
    if call.label:
        return known.declaration_offers("param")
    settings = known.universe.settings if call.argument_index and not call.is_argument_begun else ()
    return [
        Offer(f"{name}=", "setting", word_meaning("setting", name))
        for name in settings
        if name not in call.labels
    ]


def _label_offers(call: OpenCall, known: SpecNames) -> list[Offer]:
    """The names that an argument may begin with: fields to rebind, or what a function takes beside its values."""
    if call.label:
        return []
    function = known.universe.functions.get(call.function)
    optional = [p.name for p in function.parameters if p.default is not None] if function else []
    names = [*known.rebindable_names(call.function), *optional]
    return [
        Offer(f"{name}=", "argument", f"of {call.function}")
        for name in names
        if name not in call.labels
    ]


def _no_offers(_: SpecNames) -> Iterable[Offer]:
    return ()


def _field_offers(known: SpecNames) -> Iterable[Offer]:
    return (
        *known.declaration_offers("field"),
        *known.column_offers(plain=False),
        *known.declaration_offers("param"),
    )


def _row_value_offers(known: SpecNames) -> Iterable[Offer]:
    """A value of one row that is made of fields first."""
    return (
        *_field_offers(known),
        *known.function_offers("row"),
        *known.declaration_offers(*SCORED_KINDS),
        STD,
    )


def _score_offers(known: SpecNames) -> Iterable[Offer]:
    return (*known.declaration_offers(*SCORED_KINDS), STD)


def _aggregate_value_offers(known: SpecNames) -> Iterable[Offer]:
    """A value of one row that is made of scores first."""
    return (
        *known.declaration_offers(*SCORED_KINDS),
        *known.function_offers("row"),
        *_field_offers(known),
        STD,
    )


def _require_offers(known: SpecNames) -> Iterable[Offer]:
    return (
        *known.function_offers("rows"),
        *known.declaration_offers("param"),
        *known.function_offers("number"),
    )


def _each_row_offers(known: SpecNames) -> Iterable[Offer]:
    return (
        *known.declaration_offers(*SCORED_KINDS),
        *known.refine_column_offers(),
        *_aggregate_value_offers(known),
    )


def _field_value_offers(known: SpecNames) -> Iterable[Offer]:
    """What a line of `fields:` is made of: columns, never another field."""
    return (
        *known.column_offers(plain=False),
        *known.declaration_offers("param"),
        *known.function_offers("field"),
    )


def _declared_model_offers(known: SpecNames) -> Iterable[Offer]:
    return known.declaration_offers("model")


def _model_call_offers(_: SpecNames) -> Iterable[Offer]:
    return (LLM, PANEL)


_OFFERS_BY_ROLE: Mapping[str, Callable[[SpecNames], Iterable[Offer]]] = {
    "grader": _row_value_offers,
    "aggregate": _aggregate_value_offers,
    "rows": _require_offers,
    "each row": _each_row_offers,
    "model": _model_call_offers,
    "models": _declared_model_offers,
    "scores": _score_offers,
    "fields": _field_offers,
    "field": _field_value_offers,
}


def open_calls(pieces: Sequence[LineToken]) -> list[OpenCall]:
    """The brackets that are still open, the outermost first; those of no call have no function.

    >>> pieces = expected_next("head", "aggregate a = weighted(min(b, c)=0.5, ").tokens
    >>> [(call.function, call.argument_index) for call in open_calls(pieces)]
    [('weighted', 1)]
    """
    starts: list[int] = []
    for at, piece in enumerate(pieces):
        if piece.type in ("LPAR", "LSQB"):
            starts.append(at)
        elif piece.type in ("RPAR", "RSQB") and starts:
            starts.pop()
    return [_parse_open_call(pieces, start) for start in starts]


def _parse_open_call(pieces: Sequence[LineToken], start: int) -> OpenCall:
    arguments = _split_arguments(pieces[start + 1 :])
    labels = tuple(
        argument[0].text
        for argument in arguments
        if len(argument) > 1 and argument[1].type == "EQUAL"
    )
    last = arguments[-1]
    label = last[0].text if len(last) > 1 and last[1].type == "EQUAL" else ""
    return OpenCall(_function_before(pieces, start), len(arguments) - 1, label, bool(last), labels)


def _function_before(pieces: Sequence[LineToken], start: int) -> str:
    """What stands before a bracket: a name, or `std` and a name."""
    before = pieces[:start]
    if pieces[start].type != "LPAR" or not before or before[-1].type != "NAME":
        return ""
    if len(before) > 2 and before[-2].type == "DOT":
        return f"{before[-3].text}.{before[-1].text}"
    return before[-1].text


def _split_arguments(pieces: Sequence[LineToken]) -> list[list[LineToken]]:
    """The pieces between the commas of one bracket, those of inner brackets included."""
    found: list[list[LineToken]] = [[]]
    depth = 0
    for piece in pieces:
        depth += (piece.type in ("LPAR", "LSQB")) - (piece.type in ("RPAR", "RSQB"))
        if piece.type == "COMMA" and not depth:
            found.append([])
        else:
            found[-1].append(piece)
    return found
