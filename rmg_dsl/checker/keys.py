"""The settings of a block: which keys it takes, and the plain values among them."""

from __future__ import annotations

from collections.abc import Mapping

from rmg_dsl.checker.scope import Scope
from rmg_dsl.diagnostics import Fix, Span
from rmg_dsl.suggest import format_names, suggest_name
from rmg_dsl.syntax import nodes
from rmg_dsl.syntax.declarations import KeySpec, declarations, keys_of
from rmg_dsl.syntax.foreign_keys import BOOLEAN_WORDS, foreign_key_help

_MAX_KEYS_SHOWN = 12


def check_settings(
    block: nodes.Block, declaration: str, scope: Scope
) -> dict[str, nodes.SettingLine]:
    """The settings of a block by key; reports keys that are unknown, doubled or missing."""
    settings = _known_settings(block, declaration, scope)
    _check_when_clauses(settings, keys_of(declaration), scope)
    if block.rubric is not None and "rubric" not in keys_of(declaration):
        scope.report(
            "RMG210",
            f"{scope.owner} takes no rubric",
            block.rubric.span,
            help="only graders have one",
        )
    _check_required_keys(block, settings, declaration, scope)
    return settings


def _known_settings(
    block: nodes.Block, declaration: str, scope: Scope
) -> dict[str, nodes.SettingLine]:
    known = declarations()[declaration].settings
    settings: dict[str, nodes.SettingLine] = {}
    for setting in block.settings:
        key = setting.key.id
        if key not in known:
            _report_unknown_key(setting, declaration, scope)
        # Keep the first: a value that is checked twice would be reported twice.
        elif key in settings:
            scope.report(
                "RMG211",
                f"`{key}` is given twice in {scope.owner}",
                setting.key.span,
                help="keep one of them",
            )
        else:
            settings[key] = setting
    return settings


def _check_required_keys(
    block: nodes.Block, settings: Mapping[str, nodes.SettingLine], declaration: str, scope: Scope
) -> None:
    required = declarations()[declaration].required_keys
    missing = [key for key in required if key not in settings]
    # One missing key at a time: the help for the second may depend on the first.
    if missing and is_fully_read(block, declaration):
        scope.report(
            "RMG212",
            f"{scope.owner} needs `{missing[0]} = …`",
            _first_line_span(block),
            help="add the line to its block",
        )


def is_fully_read(block: nodes.Block, declaration: str) -> bool:
    """Was every line read, and every key known?

    If not, one of these lines may be the key that seems to be missing.
    """
    keys = keys_of(declaration)
    return not block.damaged and all(setting.key.id in keys for setting in block.settings)


def _first_line_span(block: nodes.Block) -> Span:
    return block.lines[0].span if block.lines else block.span


def _report_unknown_key(setting: nodes.SettingLine, declaration: str, scope: Scope) -> None:
    key, spec = setting.key, declarations()[declaration]
    # A slip in a key of this block is more likely than a key of another declaration.
    close = suggest_name(key.id, spec.keys)
    owners = [other.keyword for other in declarations().values() if key.id in other.keys]
    offered = f"{declaration} takes {format_names(spec.settings, _MAX_KEYS_SHOWN)}"
    fixes: list[Fix] = []
    if close:
        help = f"did you mean `{close}`?"
        fixes.append(Fix(key.span, close, f"write `{close}`"))
    elif foreign := foreign_key_help(key.id):
        help = foreign
    elif owners:
        help = f"`{key.id}` is a key of {' and '.join(owners)}; {offered}"
    else:
        help = offered
    scope.report(
        "RMG210", f"unknown key `{key.id}` in {scope.owner}", key.span, help=help, fixes=fixes
    )


def _check_when_clauses(
    settings: Mapping[str, nodes.SettingLine], keys: Mapping[str, KeySpec], scope: Scope
) -> None:
    for name, setting in settings.items():
        if setting.when is not None and not keys[name].has_when:
            scope.report(
                "RMG210",
                f"`{name}` takes no `when`",
                setting.when.span,
                help="only `escalate = MODEL when …` does",
            )
        if setting.when is None and keys[name].has_when:
            scope.report(
                "RMG212",
                f"`{name}` does not say when",
                setting.span,
                help=f"write `{name} = MODEL when spread > 1`",
            )


def check_plain_value(setting: nodes.SettingLine, key: KeySpec, scope: Scope) -> None:
    """Check a count, a bool, a text or a word: the values that need no names in scope.

    A value of any other shape passes.
    """
    value = setting.value
    match key.shape:
        case "count":
            _report_unless(_is_count(value, key.most), setting, key.takes, scope)
        case "bool":
            _check_truth(setting, scope)
        case "text":
            _report_unless(isinstance(value, nodes.TextNode), setting, "a text in quotes", scope)
        case "words":
            _check_word(setting, key, scope)
        case _:
            pass


def integer_setting(setting: nodes.SettingLine | None) -> int | None:
    """The whole number of a setting; None without the setting, and for another value."""
    match setting:
        case nodes.SettingLine(value=nodes.NumberNode(int(value))):
            return value
        case _:
            return None


def _check_truth(setting: nodes.SettingLine, scope: Scope) -> None:
    value = setting.value
    if isinstance(value, nodes.TruthNode):
        return
    word = BOOLEAN_WORDS.get(_written_word(value).lower())
    fixes = [Fix(value.span, word, f"write `{word}`")] if word else []
    help = f"write `{setting.key.id} = {word or 'True'}`"
    message = f"`{setting.key.id}` is True or False"
    scope.report("RMG322", message, value.span, help=help, fixes=fixes)


def _is_count(value: nodes.Expr, most: int) -> bool:
    # More draws than anybody wants would fill the memory before the first call.
    if not isinstance(value, nodes.NumberNode):
        return False
    return isinstance(value.value, int) and 1 <= value.value <= most


def _check_word(setting: nodes.SettingLine, key: KeySpec, scope: Scope) -> None:
    value = setting.value
    word = _written_word(value)
    if isinstance(value, nodes.NameNode) and word in key.words:
        return
    # A word in quotes is the right one, written as a text.
    close = word if word in key.words else suggest_name(word, key.words)
    fixes = [Fix(value.span, close, f"write `{close}`")] if close else []
    offered = " or ".join(f"`{offer}`" for offer in key.words)
    scope.report(
        "RMG322",
        f"`{key.name}` is {offered}",
        value.span,
        help=f"write `{key.name} = {close or key.words[0]}`",
        fixes=fixes,
    )


def _written_word(value: nodes.Expr) -> str:
    match value:
        case nodes.NameNode():
            return value.id
        case nodes.TextNode():
            return value.value
        case _:
            return ""


def _report_unless(good: bool, setting: nodes.SettingLine, expected: str, scope: Scope) -> None:
    if not good:
        scope.report("RMG322", f"`{setting.key.id}` is {expected}", setting.value.span)
