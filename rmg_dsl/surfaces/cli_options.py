"""From the flags of a command line or a magic to the options of a run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence

from rmg_dsl.api.options import Flag, Options, RawParam, option_flags
from rmg_dsl.errors import UsageError

DRY_RUN_FLAG = Flag("--dry-run", help="check everything and print the plan; make no calls")

FlagValues = Mapping[str, Sequence[str | int | float]]
"""The values of the flags that stand on a line, by flag; a switch has one empty value."""


def options_from_arguments(arguments: Namespace, *, progress: bool | None = None) -> Options:
    """The options of a parsed command line. A command that lacks a flag uses the default."""
    values: dict[str, Sequence[str | int | float]] = {}
    for flag in option_flags():
        value = getattr(arguments, _argument_name(flag.word), None)
        # Argparse gives None, [] and False for what is not on the line, and 0 is a value.
        if value is None or value is False or value == []:
            continue
        if flag.is_repeatable:
            values[flag.word] = value
        else:
            values[flag.word] = [value]
    return Options.of({**options_from_flags(values), "progress": progress})


def _argument_name(word: str) -> str:
    return word.removeprefix("--").replace("-", "_")


def options_from_flags(values: FlagValues) -> dict[str, object]:
    """The keyword arguments that the flags set, by the table of options.

    >>> options_from_flags({"--limit": [5], "--set": ["floor=3"], "--only": ["a,b", "c"]})
    {'params': {'floor': '3'}, 'limit': 5, 'only': ('a', 'b', 'c')}

    Raises UsageError for flags that contradict each other.
    """
    options: dict[str, object] = {}
    for flag in option_flags():
        if flag.word in values:
            options[flag.option] = _option_value(flag.word, values[flag.word])
    if "--refresh" in values and "--no-cache" in values:
        raise UsageError(
            "`--refresh` overwrites the cached replies and `--no-cache` keeps none: "
            "give one of them"
        )
    if "--retry-failed" in values and {"--refresh", "--no-cache"} & values.keys():
        raise UsageError("`--retry-failed` reads the cached replies: give it alone")
    return options


def _option_value(word: str, values: Sequence[str | int | float]) -> object:
    match word:
        case "--model":
            return parse_model_flags([str(value) for value in values])
        case "--set":
            return parse_param_flags([str(value) for value in values])
        case "--only":
            return parse_name_flags([str(value) for value in values])
        case "--allow-python" | "--allow-host" | "--allow-env" | "--allow-files":
            return tuple(values)
        case "--refresh":
            return "refresh"
        case "--retry-failed":
            return "failed"
        case "--no-cache":
            return False
        case _:
            return values[0]


def parse_name_flags(texts: Sequence[str]) -> tuple[str, ...]:
    """The names of a flag that takes several, separated by commas, and may be repeated.

    >>> parse_name_flags(["a, b", "c,"])
    ('a', 'b', 'c')
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    # No name at all is not the same as no flag: the empty name is refused as unknown.
    return tuple(name for name in names if name) or ("",)


def parse_model_flags(texts: Sequence[str]) -> str | dict[str, str] | None:
    """`--model PROVIDER/NAME` replaces the default, `--model NAME=PROVIDER/NAME` a declared model.

    >>> parse_model_flags(["openai/a"]), parse_model_flags(["strong=openai/b", "openai/a"])
    ('openai/a', {'strong': 'openai/b', '': 'openai/a'})
    """
    models: dict[str, str] = {}
    for text in texts:
        name, equals, model = text.partition("=")
        # A slash before the `=`: the `=` is a part of the model's name.
        if not equals or "/" in name:
            name, model = "", text
        if name in models:
            raise UsageError(f"`--model` is given twice {_repeat_advice(name)}")
        models[name] = model
    if models.keys() <= {""}:
        return models.get("")
    return models


def _repeat_advice(name: str) -> str:
    if name:
        return f"for `{name}`"
    return "without a name: write `--model NAME=PROVIDER/NAME`"


def parse_param_flags(texts: Sequence[str]) -> dict[str, RawParam]:
    """The values of `--set PARAM=VALUE`, as typed.

    >>> parse_param_flags(["floor=3.5"])
    {'floor': '3.5'}
    """
    params: dict[str, RawParam] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--set {text}`: write `--set PARAM=VALUE`")
        params[name.strip()] = RawParam(value.strip())
    return params
