"""From the flags that `run` and `plan` share to the options of a run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from rmg_dsl.api.options import Options, RawParam
from rmg_dsl.errors import UsageError


def options_from_arguments(chosen: Namespace, **more: Any) -> Options:
    """The options that the flags ask for."""
    return Options(
        model=parse_model_flags(chosen.model),
        params=parse_param_flags(chosen.set),
        limit=chosen.limit,
        sample=chosen.sample,
        seed=chosen.seed,
        only=tuple(name.strip() for names in chosen.only for name in names.split(",")),
        prefix=chosen.prefix,
        allow_python=tuple(chosen.allow_python),
        **more,
    )


def parse_model_flags(given: Sequence[str]) -> str | dict[str, str] | None:
    """`--model PROVIDER/NAME` replaces the default, `--model NAME=PROVIDER/NAME` a declared one.

    >>> parse_model_flags(["openai/a"]), parse_model_flags(["strong=openai/b", "openai/a"])
    ('openai/a', {'strong': 'openai/b', '': 'openai/a'})
    """
    named: dict[str, str] = {}
    for text in given:
        name, equals, model = text.partition("=")
        if not equals or "/" in name:
            name, model = "", text
        if name in named:
            again = (
                f"for `{name}`" if name else "without a name: write `--model NAME=PROVIDER/NAME`"
            )
            raise UsageError(f"`--model` is given twice {again}")
        named[name] = model
    return named.get("") if named.keys() <= {""} else named


def parse_param_flags(given: Sequence[str]) -> dict[str, RawParam]:
    """`--set PARAM=VALUE`, the values as they were typed.

    >>> parse_param_flags(["floor=3.5"])
    {'floor': '3.5'}
    """
    found: dict[str, RawParam] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--set {text}`: write `--set PARAM=VALUE`")
        found[name.strip()] = RawParam(value.strip())
    return found
