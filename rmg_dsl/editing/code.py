"""What may be written in code: at the start of a line, as a name, inside of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rmg_dsl.checker.keys import KEYS, Key
from rmg_dsl.editing.cursor import Cursor
from rmg_dsl.editing.names import SCORES, Known, Offer
from rmg_dsl.editing.spec_docs import meaning
from rmg_dsl.syntax.expected import Ahead, Piece, ahead
from rmg_dsl.syntax.keywords import words

STD = Offer("std", "library", "the graders of the standard library: std.relevance")
PYTHON = Offer("python", "function", 'python("module:function", name = value): a Python function')
LLM = Offer("llm", "function", 'llm("provider/name", setting=value): a model')
PANEL = Offer("panel", "function", "panel(a, b, c): several declared models as one judge")

_SCORE = Offer("score", "word", "the score of this very grader or aggregate")
_OWN: Mapping[tuple[str, str], tuple[Offer, ...]] = {
    ("grader", "pass"): (_SCORE,),
    ("aggregate", "pass"): (_SCORE,),
    ("grader", "escalate"): (
        _SCORE,
        Offer("spread", "word", "the highest less the lowest draw"),
        Offer("confidence", "word", "the probability of the verdict, or its share of the draws"),
    ),
    ("refine", "by"): (Offer("best", "word", "the best draft so far"),),
}
# Of the words that the grammar takes in any expression, those that a key of this shape, or a declaration, can do with.
_WORDS_OF: Mapping[str, tuple[str, ...]] = {
    "bool": ("True", "False"),
    "model": ("when",),
    "validate": ("against",),
    **dict.fromkeys(("words", "count", "text", "prompt", "fields", "score", "scores"), ()),
}


class Call(NamedTuple):
    """A call that is still open: what is called, which argument this is, its label, and whether it has begun."""

    function: str
    place: int
    label: str
    begun: bool
    labels: tuple[str, ...]


def code_offers(cursor: Cursor, known: Known) -> Iterable[Offer]:
    """What may stand at a cursor outside of texts, the likeliest first."""
    seen = ahead(cursor.kind, cursor.line)
    if seen is None:
        return _row(known) if "=" in cursor.line else ()
    if seen.pieces and seen.pieces[-1].type == "DOT":
        return known.library() if seen.pieces[-2].text == "std" else ()
    key = _key(cursor, seen)
    named = _named(cursor, seen, key, known) if seen.name else ()
    return (*named, *_words(cursor, seen, key, known))


def _key(cursor: Cursor, seen: Ahead) -> Key | None:
    """The key whose value is being written, if it is one."""
    if cursor.kind != "setting" or not seen.pieces:
        return None
    return KEYS.get(cursor.owner, {}).get(seen.pieces[0].text)


def _words(cursor: Cursor, seen: Ahead, key: Key | None, known: Known) -> list[Offer]:
    """The grammar's own words, where they make sense; `rubric` is offered among the keys."""
    if cursor.kind == "setting" and not seen.pieces:
        return []
    escalates = cursor.kind == "setting" and seen.pieces[0].text == "escalate"
    unfit = (
        {"internal"}
        | (set() if escalates else {"when"})
        | ({"rmg"} if known.has_edition else set())
    )
    wanted = [word for word in seen.words if word not in unfit]
    few = _few_words(cursor, seen, key)
    return [Offer(word, *_about(word, cursor)) for word in wanted if few is None or word in few]


def _few_words(cursor: Cursor, seen: Ahead, key: Key | None) -> tuple[str, ...] | None:
    """The words that fit where the grammar takes any expression and the checker does not."""
    if key is not None:
        return None if _after(seen, "WHEN") else _WORDS_OF.get(key.shape)
    if cursor.kind == "head" and seen.pieces:
        return _WORDS_OF.get(seen.pieces[0].text)
    return None


def _about(word: str, cursor: Cursor) -> tuple[str, str]:
    if cursor.kind == "head" and not cursor.line.strip() and word in words().declarations:
        return "keyword", meaning("declaration", word)
    if word in words().scale:
        return "scale", meaning("scale", word) or "lower is better"
    return ("constant" if word in words().constants else "keyword"), ""


def _after(seen: Ahead, terminal: str) -> bool:
    return any(piece.type == terminal for piece in seen.pieces)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _named(cursor: Cursor, seen: Ahead, key: Key | None, known: Known) -> Iterable[Offer]:
    """What a name can mean here."""
    if cursor.kind == "criterion":
        return ()
    if cursor.kind == "field":
        return _value("field", seen, known) if seen.pieces else ()
    if cursor.kind == "setting":
        return _setting(cursor, seen, key, known) if seen.pieces else _keys(cursor)
    return _head(seen, known)


def _keys(cursor: Cursor) -> Iterable[Offer]:
    """The keys that the block does not have yet."""
    owner = cursor.owner
    known = (*KEYS.get(owner, {}), *(("rubric",) if owner == "grader" else ()))
    return [
        Offer(name, "key", meaning("key", name, owner)) for name in known if name not in cursor.keys
    ]


def _head(seen: Ahead, known: Known) -> Iterable[Offer]:
    keyword = seen.pieces[0].text
    if keyword == "from":
        path = seen.pieces[1].text.strip("\"'")
        return () if seen.pieces[-1].type == "AS" else known.exported(path)
    if keyword == "validate" and _after(seen, "AGAINST"):
        return known.columns_offered(plain=False)
    if len(seen.pieces) > 1 or keyword == "require":
        return _value(keyword, seen, known)
    fields = (*known.declared("field"), *known.columns_offered(plain=True))
    return {"refine": fields, "validate": known.declared(*SCORES)}.get(keyword, ())


def _setting(cursor: Cursor, seen: Ahead, key: Key | None, known: Known) -> Iterable[Offer]:
    name = seen.pieces[0].text
    own = _OWN.get((cursor.owner, name), ())
    if key is None:  # `rubric`, or a slip
        return _value("fields", seen, known)
    if _after(seen, "WHEN"):
        return (*own, *known.declared("param"))
    words_of_key = tuple(
        Offer(word, "value", meaning("key", name, cursor.owner)) for word in key.words
    )
    return (*own, *words_of_key, *_value(_ROLES.get(key.shape, ""), seen, known))


_ROLES: Mapping[str, str] = {
    "model": "models",
    "expr": "aggregate",
    "condition": "aggregate",
    "score": "scores",
    "scores": "scores",
    "fields": "fields",
}


def _value(role: str, seen: Ahead, known: Known) -> Iterable[Offer]:
    """The names for the value of a declaration, a key or a field, outside and inside of calls."""
    calls = open_calls(seen.pieces)
    inner = next((call for call in reversed(calls) if call.function), None)
    if inner is not None and inner.function in ("llm", "panel"):
        return _of_model(inner, known)
    labels = _labels(calls[-1], known) if calls and not calls[-1].begun else ()
    if labels and calls[-1].function not in known.universe.functions:
        return labels  # a grader is called with names rebound, and in no other way
    found = _BY_ROLE.get(_inside(role, calls, known), _nothing)(known)
    only_python = role == "grader" and seen.pieces[-1].type == "EQUAL" and not calls
    return (*labels, *found, *((PYTHON,) if only_python else ()))


def _inside(role: str, calls: Sequence[Call], known: Known) -> str:
    """In a `require`, a function over the rows is about each of them."""
    if role != "require":
        return role
    functions = (known.universe.functions.get(call.function) for call in calls)
    of_rows = any(f is not None and any(p.type == "rows" for p in f.parameters) for f in functions)
    return "each row" if of_rows else "rows"


def _of_model(call: Call, known: Known) -> Iterable[Offer]:
    if call.function == "panel":
        return known.declared("model")
    if call.label:
        return known.declared("param")
    settings = known.universe.settings if call.place and not call.begun else ()
    return [
        Offer(f"{name}=", "setting", meaning("setting", name))
        for name in settings
        if name not in call.labels
    ]


def _labels(call: Call, known: Known) -> list[Offer]:
    """The names that an argument may begin with: fields to rebind, or what a function takes beside its values."""
    if call.label:
        return []
    function = known.universe.functions.get(call.function)
    optional = [p.name for p in function.parameters if p.default is not None] if function else []
    names = [*known.rebindable(call.function), *optional]
    return [
        Offer(f"{name}=", "argument", f"of {call.function}")
        for name in names
        if name not in call.labels
    ]


def _nothing(_: Known) -> Iterable[Offer]:
    return ()


def _fields(known: Known) -> Iterable[Offer]:
    return (*known.declared("field"), *known.columns_offered(plain=False), *known.declared("param"))


def _row(known: Known) -> Iterable[Offer]:
    """A value of one row that is made of fields first."""
    return (*_fields(known), *known.functions("row"), *known.declared(*SCORES), STD)


def _scores(known: Known) -> Iterable[Offer]:
    return (*known.declared(*SCORES), STD)


def _combined(known: Known) -> Iterable[Offer]:
    """A value of one row that is made of scores first."""
    return (*known.declared(*SCORES), *known.functions("row"), *_fields(known), STD)


def _rows(known: Known) -> Iterable[Offer]:
    return (*known.functions("rows"), *known.declared("param"), *known.functions("number"))


def _each_row(known: Known) -> Iterable[Offer]:
    return (*known.declared(*SCORES), *known.refined(), *_combined(known))


def _places(known: Known) -> Iterable[Offer]:
    """What a line of `fields:` is made of: columns, never another field."""
    return (
        *known.columns_offered(plain=False),
        *known.declared("param"),
        *known.functions("field"),
    )


def _models(known: Known) -> Iterable[Offer]:
    return known.declared("model")


def _calls_of_models(_: Known) -> Iterable[Offer]:
    return (LLM, PANEL)


_BY_ROLE: Mapping[str, Callable[[Known], Iterable[Offer]]] = {
    "grader": _row,
    "aggregate": _combined,
    "rows": _rows,
    "each row": _each_row,
    "model": _calls_of_models,
    "models": _models,
    "scores": _scores,
    "fields": _fields,
    "field": _places,
}


def open_calls(pieces: Sequence[Piece]) -> list[Call]:
    """The brackets that are still open, the outermost first; those of no call have no function.

    >>> pieces = ahead("head", "aggregate a = weighted(min(b, c)=0.5, ").pieces
    >>> [(call.function, call.place) for call in open_calls(pieces)]
    [('weighted', 1)]
    """
    starts: list[int] = []
    for at, piece in enumerate(pieces):
        if piece.type in ("LPAR", "LSQB"):
            starts.append(at)
        elif piece.type in ("RPAR", "RSQB") and starts:
            starts.pop()
    return [_call(pieces, start) for start in starts]


def _call(pieces: Sequence[Piece], start: int) -> Call:
    arguments = _arguments(pieces[start + 1 :])
    labels = tuple(
        argument[0].text
        for argument in arguments
        if len(argument) > 1 and argument[1].type == "EQUAL"
    )
    last = arguments[-1]
    label = last[0].text if len(last) > 1 and last[1].type == "EQUAL" else ""
    return Call(_called(pieces, start), len(arguments) - 1, label, bool(last), labels)


def _called(pieces: Sequence[Piece], start: int) -> str:
    """What stands before a bracket: a name, or `std` and a name."""
    before = pieces[:start]
    if pieces[start].type != "LPAR" or not before or before[-1].type != "NAME":
        return ""
    if len(before) > 2 and before[-2].type == "DOT":
        return f"{before[-3].text}.{before[-1].text}"
    return before[-1].text


def _arguments(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces between the commas of one bracket, those of inner brackets included."""
    found: list[list[Piece]] = [[]]
    depth = 0
    for piece in pieces:
        depth += (piece.type in ("LPAR", "LSQB")) - (piece.type in ("RPAR", "RSQB"))
        if piece.type == "COMMA" and not depth:
            found.append([])
        else:
            found[-1].append(piece)
    return found
