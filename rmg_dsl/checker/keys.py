"""The keys that the blocks of each declaration take, and the plain values among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from rmg_dsl.checker.scope import Scope
from rmg_dsl.diagnostics import Fix, Span
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes

Shape = Literal[
    "prompt",
    "model",
    "expr",
    "condition",
    "count",
    "bool",
    "text",
    "words",
    "score",
    "scores",
    "names",
    "fields",
]


class Key(NamedTuple):
    """What a key's value looks like; `words` are the ones it offers."""

    shape: Shape
    words: tuple[str, ...] = ()


KEYS: Mapping[str, Mapping[str, Key]] = {
    "grader": {
        "prompt": Key("prompt"),
        "system": Key("prompt"),
        "score": Key("expr"),
        "model": Key("model"),
        "pass": Key("condition"),
        "samples": Key("count"),
        "pool": Key("words", ("mean", "majority", "median", "worst")),
        "logprobs": Key("bool"),
        "escalate": Key("model"),
        "generator": Key("text"),
    },
    "aggregate": {
        "score": Key("expr"),
        "missing": Key("words", ("propagate", "drop")),
        "pass": Key("condition"),
    },
    "pairwise": {
        "compare": Key("fields"),
        "prompt": Key("prompt"),
        "system": Key("prompt"),
        "model": Key("model"),
        "swap": Key("bool"),
        "decide": Key("words", ("agree", "average", "sum_sign", "first_only")),
        "samples": Key("count"),
        "logprobs": Key("bool"),
        "generator": Key("text"),
    },
    "ranking": {
        "group": Key("expr"),
        "among": Key("expr"),
        "by": Key("score"),
        "prompt": Key("prompt"),
        "system": Key("prompt"),
        "model": Key("model"),
    },
    "refine": {
        "model": Key("model"),
        "until": Key("condition"),
        "by": Key("score"),
        "rounds": Key("count"),
        "keep": Key("words", ("best", "last")),
        "patience": Key("count"),
        "guard": Key("scores"),
        "holdout": Key("score"),
        "feedback": Key("words", ("reasons",)),
        "prompt": Key("prompt"),
        "system": Key("prompt"),
        "draft": Key("prompt"),
    },
    "validate": {"group": Key("expr"), "level": Key("words", ("pooled", "per_group", "system"))},
}

REQUIRED_KEYS: Mapping[str, tuple[str, ...]] = {
    "pairwise": ("compare", "prompt"),
    "ranking": (),
    "aggregate": ("score",),
    "refine": (),
    "validate": (),
    "grader": (),
}


def check_settings(
    block: nodes.Block, declaration: str, scope: Scope
) -> dict[str, nodes.SettingLine]:
    """The settings of a block by key; unknown ones, double ones and missing ones are reported."""
    known = KEYS[declaration]
    found: dict[str, nodes.SettingLine] = {}
    for setting in block.settings:
        key = setting.key.id
        if key not in known:
            _report_unknown_key(setting, declaration, scope)
        elif key in found:
            scope.report(
                "RMG211",
                f"`{key}` is given twice in {scope.owner}",
                setting.key.span,
                help="keep one of them",
            )
        else:
            found[key] = setting
    _check_when_clauses(found, scope)
    if block.rubric is not None and declaration != "grader":
        scope.report(
            "RMG210",
            f"{scope.owner} takes no rubric",
            block.rubric.span,
            help="only graders have one",
        )
    missing = [key for key in REQUIRED_KEYS[declaration] if key not in found]
    if missing and is_fully_read(block, declaration):
        scope.report(
            "RMG212",
            f"{scope.owner} needs `{missing[0]} = …`",
            _first_line_span(block),
            help="add the line to its block",
        )
    return found


def is_fully_read(block: nodes.Block, declaration: str) -> bool:
    """Was every line read, and every key known? If not, one of them may be the key that seems to be missing."""
    return not block.damaged and all(
        setting.key.id in KEYS[declaration] for setting in block.settings
    )


def _first_line_span(block: nodes.Block) -> Span:
    return block.lines[0].span if block.lines else block.span


def _report_unknown_key(setting: nodes.SettingLine, declaration: str, scope: Scope) -> None:
    key, known = setting.key, KEYS[declaration]
    close = suggest_name(key.id, [*known, *(["rubric"] if declaration == "grader" else [])])
    elsewhere = [name for name, keys in KEYS.items() if key.id in keys]
    if close:
        help = f"did you mean `{close}`?"
    elif elsewhere:
        help = f"`{key.id}` is a key of {' and '.join(elsewhere)}; {declaration} takes {format_names(known, 12)}"
    else:
        help = f"{declaration} takes {format_names(known, 12)}"
    fixes = [Fix(key.span, close, f"write `{close}`")] if close else []
    scope.report(
        "RMG210", f"unknown key `{key.id}` in {scope.owner}", key.span, help=help, fixes=fixes
    )


def _check_when_clauses(found: Mapping[str, nodes.SettingLine], scope: Scope) -> None:
    for key, setting in found.items():
        if setting.when is not None and key != "escalate":
            scope.report(
                "RMG210",
                f"`{key}` takes no `when`",
                setting.when.span,
                help="only `escalate = MODEL when …` does",
            )
        if setting.when is None and key == "escalate":
            scope.report(
                "RMG212",
                "`escalate` does not say when",
                setting.span,
                help="write `escalate = MODEL when spread > 1`",
            )


def check_plain_value(setting: nodes.SettingLine, key: Key, scope: Scope) -> None:
    """Counts, bools, texts and words: the values that need no names in scope."""
    name, value = setting.key.id, setting.value
    if key.shape == "count":
        good = (
            isinstance(value, nodes.NumberNode)
            and isinstance(value.value, int)
            and value.value >= 1
        )
        _report_unless(good, setting, "a whole number from 1", scope)
    elif key.shape == "bool":
        _report_unless(isinstance(value, nodes.TruthNode), setting, "True or False", scope)
    elif key.shape == "text":
        _report_unless(isinstance(value, nodes.TextNode), setting, "a text in quotes", scope)
    elif key.shape == "words":
        word = (
            value.id
            if isinstance(value, nodes.NameNode)
            else value.value
            if isinstance(value, nodes.TextNode)
            else ""
        )
        if not isinstance(value, nodes.NameNode) or word not in key.words:
            close = word if word in key.words else suggest_name(str(word), key.words)
            fixes = [Fix(value.span, close, f"write `{close}`")] if close else []
            offered = " or ".join(f"`{w}`" for w in key.words)
            scope.report(
                "RMG322",
                f"`{name}` is {offered}",
                value.span,
                help=f"write `{name} = {close or key.words[0]}`",
                fixes=fixes,
            )


def _report_unless(good: bool, setting: nodes.SettingLine, wanted: str, scope: Scope) -> None:
    if not good:
        scope.report("RMG322", f"`{setting.key.id}` is {wanted}", setting.value.span)
