"""From the flags that `run` and `plan` share to the options of a run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from rmg_dsl.api.options import Options, Written
from rmg_dsl.errors import UsageError


def options_of(chosen: Namespace, **more: Any) -> Options:
    """The options that the flags ask for."""
    return Options(
        model=models_of(chosen.model),
        params=params_of(chosen.set),
        limit=chosen.limit,
        sample=chosen.sample,
        seed=chosen.seed,
        only=tuple(name.strip() for names in chosen.only for name in names.split(",")),
        prefix=chosen.prefix,
        allow_python=tuple(chosen.allow_python),
        **more,
    )


def models_of(given: Sequence[str]) -> str | dict[str, str] | None:
    """`--model PROVIDER/NAME` replaces the default, `--model NAME=PROVIDER/NAME` a declared one.

    >>> models_of(["openai/a"]), models_of(["strong=openai/b", "openai/a"])
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


def params_of(given: Sequence[str]) -> dict[str, Written]:
    """`--set PARAM=VALUE`, the values as they were typed.

    >>> params_of(["floor=3.5"])
    {'floor': '3.5'}
    """
    found: dict[str, Written] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"`--set {text}`: write `--set PARAM=VALUE`")
        found[name.strip()] = Written(value.strip())
    return found
