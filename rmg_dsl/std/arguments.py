"""The arguments of the built-in functions: what each parameter takes, checked before every call."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rmg_dsl.cells import CellText, unpack_cell
from rmg_dsl.checker import Function
from rmg_dsl.errors import ArgumentError

_PLAIN = (str, int, float)


def with_checked_arguments(function: Function, run: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which raises ArgumentError for an argument of a wrong type.

    A number is the text of its digits where a text is wanted. A list of references means the best
    of them.
    """
    name, parameters = function.name, function.parameters
    texts = frozenset(i for i, parameter in enumerate(parameters) if parameter.type == "text")
    others = [
        (place, parameter.name, _CONVERTERS[parameter.type])
        for place, parameter in enumerate(parameters)
        if parameter.type in _CONVERTERS
    ]
    names = [parameter.name for parameter in parameters]
    reference = names.index("reference") if "reference" in names else None
    is_texts_only = len(texts) == len(parameters)

    def call_once(*arguments: object) -> object:
        # Most arguments are texts: copy the arguments only where one is not.
        if is_texts_only and all(type(argument) is str for argument in arguments):
            return run(*arguments)
        converted = list(arguments)
        for place, parameter, convert in others:
            if place < len(converted):
                converted[place] = convert(converted[place], name, parameter)
        if name in _COMPARE_PLAIN_VALUES:
            _numbers_of_cells(converted)
        return run(*converted)

    if reference is None:
        return call_once
    check_sides = _check_compared if name in _COMPARE_PLAIN_VALUES else _accept_sides

    def call_with_best(*arguments: object) -> object:
        candidates = _references(arguments[reference], name)
        if candidates is None:
            check_sides(arguments, name)
            return call_once(*arguments)
        results: list[Any] = []
        for candidate in candidates:
            sides = (*arguments[:reference], candidate, *arguments[reference + 1 :])
            check_sides(sides, name)
            results.append(call_once(*sides))
        return max(results)

    return call_with_best


# ── a list of references ─────────────────────────────────────────────────────────────────────────

# These compare texts and numbers; `json_equal` compares lists and objects too.
_COMPARE_PLAIN_VALUES = frozenset({"exact", "exact_ci", "number_close"})


def _references(value: object, name: str) -> Sequence[object] | None:
    """The references of which the best counts; None for a single one."""
    value = unpack_cell(value)
    if not isinstance(value, list | tuple):
        return None
    if name == "json_equal":
        # A list is a JSON value itself, and its texts are JSON texts.
        return [value, *(item for item in value if isinstance(item, str))]
    if not value:
        raise ArgumentError(f"`{name}` has an empty list of references")
    return value


def _check_compared(arguments: Sequence[object], name: str) -> None:
    for value in arguments[:2]:
        if not isinstance(value, _PLAIN):
            raise ArgumentError(f"`{name}` compares texts and numbers, and this is {kind(value)}")


def _accept_sides(arguments: Sequence[object], name: str) -> None:
    """Sides that the types of the parameters check, or that may be anything."""


# ── one argument ─────────────────────────────────────────────────────────────────────────────────


def kind(value: object) -> str:
    """What a value is called in a message.

    >>> kind("a"), kind(True), kind({})
    ('a text', 'a bool', 'an object')
    """
    if isinstance(value, Mapping):
        return "an object"
    for base, name in _KINDS:
        if isinstance(value, base):
            return name
    return f"a {type(value).__name__}"


_KINDS: Sequence[tuple[type | tuple[type, ...], str]] = (
    (bool, "a bool"),
    ((int, float), "a number"),
    (str, "a text"),
    ((list, tuple), "a list"),
)


def _as_text(value: object, name: str, _: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ArgumentError(f"`{name}` wants a text, and this is {kind(value)}")


def _as_list(value: object, name: str, parameter: str) -> list[object]:
    value = unpack_cell(value)
    if isinstance(value, list | tuple):
        return list(value)
    help = ""
    if isinstance(value, str):
        help = f": write [{json.dumps(value[:40], ensure_ascii=False)}]"
    raise ArgumentError(f"`{name}` wants a list for `{parameter}`, and this is {kind(value)}{help}")


def _as_number(value: object, name: str, parameter: str) -> float:
    if isinstance(value, int | float):
        return value
    if type(value) is CellText and value.number is not None:
        return value.number
    raise ArgumentError(f"`{name}` wants a number for `{parameter}`, and this is {kind(value)}")


def _as_bool(value: object, name: str, parameter: str) -> bool:
    if isinstance(value, bool):
        return value
    if type(value) is CellText and value.truth is not None:
        return value.truth
    raise ArgumentError(f"`{name}` wants True or False for `{parameter}`, not {kind(value)}")


def _numbers_of_cells(arguments: list[object]) -> None:
    """Replace two cells of a text file that both write numbers by these numbers."""
    numbers = [value.number if type(value) is CellText else None for value in arguments[:2]]
    if None not in numbers:
        arguments[:2] = numbers


_CONVERTERS: Mapping[str, Callable[[object, str, str], object]] = {
    "text": _as_text,
    "list": _as_list,
    "number": _as_number,
    "bool": _as_bool,
}
