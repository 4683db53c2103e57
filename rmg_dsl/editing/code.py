"""Completion in code: at the start of a line, for a name, inside of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rmg_dsl.editing.cursor import Cursor
from rmg_dsl.editing.names import SCORED_KINDS, Offer, SpecNames
from rmg_dsl.editing.spec_docs import word_meaning
from rmg_dsl.syntax.declarations import KeySpec, Shape, declarations, keys_of
from rmg_dsl.syntax.expected import ExpectedNext, LineToken, expected_next
from rmg_dsl.syntax.keywords import grammar_keywords

# Names that no table declares: the parser knows them as calls and as a prefix.
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
# The same for the first line of a declaration: behind its name only these words make sense.
_WORDS_BY_DECLARATION: Mapping[str, tuple[str, ...]] = {
    "model": (),
    "fields": (),
    "validate": ("against",),
}


class OpenCall(NamedTuple):
    """A call without its closing bracket: its function, and the argument at the cursor.

    `label` is the name before the `=` of this argument, `labels` has those of all arguments.
    """

    function: str
    argument_index: int
    label: str
    is_argument_begun: bool
    labels: tuple[str, ...]


def code_offers(cursor: Cursor, names: SpecNames) -> Iterable[Offer]:
    """What may stand at a cursor outside of texts, the most likely first."""
    expected = expected_next(cursor.kind, cursor.line)
    if expected is None:
        # The line is broken before the cursor: after an `=` a value of the row is the best guess.
        return _row_value_offers(names) if "=" in cursor.line else ()
    if expected.tokens and expected.tokens[-1].type == "DOT":
        return _member_offers(expected, names)
    key = _key_at_cursor(cursor, expected)
    keywords = _keyword_offers(cursor, expected, key, names)
    if not expected.allows_name:
        return keywords
    return (*_name_offers(cursor, expected, key, names), *keywords)


def _member_offers(expected: ExpectedNext, names: SpecNames) -> Iterable[Offer]:
    """What may stand behind a dot: only `std` has members."""
    if expected.tokens[-2].text != "std":
        return ()
    return names.std_grader_offers()


def _key_at_cursor(cursor: Cursor, expected: ExpectedNext) -> KeySpec | None:
    """The key whose value is being written; None elsewhere."""
    if cursor.kind != "setting" or not expected.tokens:
        return None
    return keys_of(cursor.owner).get(expected.tokens[0].text)


def _keyword_offers(
    cursor: Cursor, expected: ExpectedNext, key: KeySpec | None, names: SpecNames
) -> list[Offer]:
    """The words of the grammar that the checker would take too."""
    # At the start of a line of a block the keys are offered instead.
    if cursor.kind == "setting" and not expected.tokens:
        return []
    unfit = {spec.keyword for spec in declarations().values() if spec.is_library_only}
    if key is None or not key.has_when:
        unfit.add("when")
    if names.has_edition:
        unfit.add("rmg")
    words = [word for word in expected.keywords if word not in unfit]
    allowed = _allowed_words(cursor, expected, key)
    if allowed is not None:
        words = [word for word in words if word in allowed]
    return [Offer(word, *_keyword_details(word, cursor)) for word in words]


def _allowed_words(
    cursor: Cursor, expected: ExpectedNext, key: KeySpec | None
) -> tuple[str, ...] | None:
    """The words that the checker takes where the grammar takes any expression; None for all."""
    if key is not None and _has_terminal(expected, "WHEN"):
        return None  # behind `when` stands a condition, which takes all of them
    if key is not None:
        return _WORDS_BY_SHAPE.get(key.shape)
    if cursor.kind == "head" and expected.tokens:
        return _WORDS_BY_DECLARATION.get(expected.tokens[0].text)
    return None


def _keyword_details(word: str, cursor: Cursor) -> tuple[str, str]:
    """The kind of a word and the line about it."""
    keywords = grammar_keywords()
    is_line_start = cursor.kind == "head" and not cursor.line.strip()
    if is_line_start and word in keywords.declarations:
        return "keyword", word_meaning("declaration", word)
    if word in keywords.scale:
        # `lower` is the one word of a scale without a line in SPEC.
        return "scale", word_meaning("scale", word) or "lower is better"
    if word in keywords.constants:
        return "constant", ""
    return "keyword", ""


def _has_terminal(expected: ExpectedNext, terminal: str) -> bool:
    return any(token.type == terminal for token in expected.tokens)


# ── names ─────────────────────────────────────────────────────────────────────────────────────────


def _name_offers(
    cursor: Cursor, expected: ExpectedNext, key: KeySpec | None, names: SpecNames
) -> Iterable[Offer]:
    """The names that fit at the cursor."""
    is_line_start = not expected.tokens
    match cursor.kind:
        case "criterion":
            return ()
        case "field":
            # The name of a new field is the author's own.
            return () if is_line_start else _value_offers("field", expected, names)
        case "setting":
            return _key_offers(cursor) if is_line_start else _setting_offers(expected, key, names)
        case _:
            return _head_offers(expected, names)


def _key_offers(cursor: Cursor) -> Iterable[Offer]:
    """The keys that the block does not have yet."""
    return [
        Offer(key.name, "key", key.doc)
        for key in keys_of(cursor.owner).values()
        if key.name not in cursor.keys
    ]


def _head_offers(expected: ExpectedNext, names: SpecNames) -> Iterable[Offer]:
    keyword = expected.tokens[0].text
    if keyword == "from":
        if expected.tokens[-1].type == "AS":
            return ()  # the new name is the author's own
        return names.import_offers(expected.tokens[1].text.strip("\"'"))
    if keyword == "validate" and _has_terminal(expected, "AGAINST"):
        return names.column_offers(plain=False)
    spec = declarations().get(keyword)
    if len(expected.tokens) > 1 or (spec is not None and spec.has_condition):
        return _value_offers(keyword, expected, names)
    if spec is not None and spec.name_role == "field":
        return (*names.declaration_offers("field"), *names.column_offers(plain=True))
    if spec is not None and spec.name_role == "score":
        return names.declaration_offers(*SCORED_KINDS)
    return ()


def _setting_offers(
    expected: ExpectedNext, key: KeySpec | None, names: SpecNames
) -> Iterable[Offer]:
    if key is None:
        return _value_offers("fields", expected, names)
    own = [Offer(name, "word", doc) for name, doc in key.names.items() if key.shape != "prompt"]
    if _has_terminal(expected, "WHEN"):
        return (*own, *names.declaration_offers("param"))
    words_of_key = [Offer(word, "value", key.doc) for word in key.words]
    return (*own, *words_of_key, *_value_offers(_ROLE_BY_SHAPE.get(key.shape, ""), expected, names))


# What the value of a key is made of; a shape without a role has no names to offer.
_ROLE_BY_SHAPE: Mapping[Shape, str] = {
    "model": "models",
    "expr": "aggregate",
    "condition": "aggregate",
    "score": "scores",
    "scores": "scores",
    "fields": "fields",
    "rubric": "fields",
}


def _value_offers(role: str, expected: ExpectedNext, names: SpecNames) -> Iterable[Offer]:
    """The names for the value of a declaration, a key or a field, outside and inside of calls."""
    calls = open_calls(expected.tokens)
    innermost = next((call for call in reversed(calls) if call.function), None)
    if innermost is not None and innermost.function in ("llm", "panel"):
        return _model_argument_offers(innermost, names)
    labels: list[Offer] = []
    if calls and not calls[-1].is_argument_begun:
        labels = _label_offers(calls[-1], names)
    if labels and calls[-1].function not in names.universe.functions:
        return labels  # a call of a grader rebinds names, and takes nothing else
    values = _OFFERS_BY_ROLE.get(_role_inside_calls(role, calls, names), _no_offers)(names)
    # `python(…)` is a whole value, never a part of one.
    if role == "grader" and expected.tokens[-1].type == "EQUAL" and not calls:
        return (*labels, *values, PYTHON)
    return (*labels, *values)


def _role_inside_calls(role: str, calls: Sequence[OpenCall], names: SpecNames) -> str:
    """The role of a value inside of calls: a statistic in a condition takes a value of each row."""
    spec = declarations().get(role)
    if spec is None or not spec.has_condition:
        return role
    functions = (names.universe.functions.get(call.function) for call in calls)
    statistics = [function.statistic for function in functions if function is not None]
    of_rows = any(spec is not None and not spec.is_bound for spec in statistics)
    return "each row" if of_rows else "rows"


def _model_argument_offers(call: OpenCall, names: SpecNames) -> Iterable[Offer]:
    if call.function == "panel":
        return names.declaration_offers("model")
    if call.label:
        return names.declaration_offers("param")
    # The first argument of `llm(…)` is the text with the provider.
    if not call.argument_index or call.is_argument_begun:
        return ()
    return [
        Offer(f"{name}=", "setting", word_meaning("setting", name))
        for name in names.universe.settings
        if name not in call.labels
    ]


def _label_offers(call: OpenCall, names: SpecNames) -> list[Offer]:
    """The labels that an argument may begin with: fields to rebind, or options of a function."""
    if call.label:
        return []
    labels = names.rebindable_names(call.function)
    function = names.universe.functions.get(call.function)
    if function is not None:
        labels += [p.name for p in function.parameters if p.default is not None]
    return [
        Offer(f"{label}=", "argument", f"of {call.function}")
        for label in labels
        if label not in call.labels
    ]


# ── roles of a value ─────────────────────────────────────────────────────────────────────────────
# Each function below lists the offers for one role, in the order of the menu: what authors write
# most often comes first.


def _no_offers(_: SpecNames) -> Iterable[Offer]:
    return ()


def _field_offers(names: SpecNames) -> Iterable[Offer]:
    return (
        *names.declaration_offers("field"),
        *names.column_offers(plain=False),
        *names.declaration_offers("param"),
    )


def _row_value_offers(names: SpecNames) -> Iterable[Offer]:
    """A value of one row, fields first."""
    return (
        *_field_offers(names),
        *names.function_offers("row"),
        *names.declaration_offers(*SCORED_KINDS),
        STD,
    )


def _score_offers(names: SpecNames) -> Iterable[Offer]:
    return (*names.declaration_offers(*SCORED_KINDS), STD)


def _aggregate_value_offers(names: SpecNames) -> Iterable[Offer]:
    """A value of one row, scores first."""
    return (
        *names.declaration_offers(*SCORED_KINDS),
        *names.function_offers("row"),
        *_field_offers(names),
        STD,
    )


def _require_offers(names: SpecNames) -> Iterable[Offer]:
    return (
        *names.function_offers("rows"),
        *names.declaration_offers("param"),
        *names.function_offers("number"),
    )


def _each_row_offers(names: SpecNames) -> Iterable[Offer]:
    return (
        *names.declaration_offers(*SCORED_KINDS),
        *names.refine_column_offers(),
        *_aggregate_value_offers(names),
    )


def _field_value_offers(names: SpecNames) -> Iterable[Offer]:
    """The value of a line of `fields:`: columns, never another field."""
    return (
        *names.column_offers(plain=False),
        *names.declaration_offers("param"),
        *names.function_offers("field"),
    )


def _declared_model_offers(names: SpecNames) -> Iterable[Offer]:
    return names.declaration_offers("model")


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


def open_calls(tokens: Sequence[LineToken]) -> list[OpenCall]:
    """The brackets that are still open, the outermost first; those of no call have no function.

    >>> tokens = expected_next("head", "aggregate a = weighted(min(b, c)=0.5, ").tokens
    >>> [(call.function, call.argument_index) for call in open_calls(tokens)]
    [('weighted', 1)]
    """
    # A closing bracket too many is a mistake of the author: it closes nothing.
    starts: list[int] = []
    for place, token in enumerate(tokens):
        if token.type in ("LPAR", "LSQB"):
            starts.append(place)
        elif token.type in ("RPAR", "RSQB") and starts:
            starts.pop()
    return [_parse_open_call(tokens, start) for start in starts]


def _parse_open_call(tokens: Sequence[LineToken], start: int) -> OpenCall:
    arguments = _split_arguments(tokens[start + 1 :])
    labels = [_argument_label(argument) for argument in arguments]
    return OpenCall(
        function=_function_before(tokens, start),
        argument_index=len(arguments) - 1,
        label=labels[-1],
        is_argument_begun=bool(arguments[-1]),
        labels=tuple(label for label in labels if label),
    )


def _argument_label(argument: Sequence[LineToken]) -> str:
    """The name before the `=` of an argument; empty without one."""
    if len(argument) > 1 and argument[1].type == "EQUAL":
        return argument[0].text
    return ""


def _function_before(tokens: Sequence[LineToken], start: int) -> str:
    """The function before a bracket, as `name` or `std.name`; empty where there is none."""
    # A `(` behind anything but a name only groups.
    before = tokens[:start]
    if tokens[start].type != "LPAR" or not before or before[-1].type != "NAME":
        return ""
    if len(before) > 2 and before[-2].type == "DOT":
        return f"{before[-3].text}.{before[-1].text}"
    return before[-1].text


def _split_arguments(tokens: Sequence[LineToken]) -> list[list[LineToken]]:
    """The tokens between the commas of one bracket, those of inner brackets included."""
    arguments: list[list[LineToken]] = [[]]
    # Commas inside of inner brackets belong to the inner call.
    depth = 0
    for token in tokens:
        depth += (token.type in ("LPAR", "LSQB")) - (token.type in ("RPAR", "RSQB"))
        if token.type == "COMMA" and not depth:
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments
