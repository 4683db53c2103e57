"""The registry of statistics beside what the language declares and what SPEC.md says of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import pytest

from rmg_dsl import std
from rmg_dsl.ir.statistics import OPTION_WORDS, StatisticSpec
from rmg_dsl.stats import shares_and_means
from rmg_dsl.stats.registry import STATISTICS
from rmg_dsl.syntax.grammar import spec_text

SPECS: Mapping[str, StatisticSpec] = {
    name: function.statistic
    for name, function in std.functions().items()
    if function.statistic is not None
}
COMPUTED = {name: spec for name, spec in SPECS.items() if not spec.is_bound}


def spec_table() -> str:
    """The table of SPEC.md on functions over the rows."""
    found = re.search(r"^### Over the rows\n(.*?)^## ", spec_text(), re.M | re.S)
    assert found
    return found[1]


def test_every_declared_statistic_is_defined_and_no_other() -> None:
    assert set(STATISTICS) == set(COMPUTED)


def test_the_table_of_the_page_has_every_statistic_and_no_other() -> None:
    firsts = [line.split("|")[1] for line in spec_table().splitlines() if line.startswith("| `")]
    assert {name for cell in firsts for name in re.findall(r"`(\w+)\(", cell)} == set(SPECS)


@pytest.mark.parametrize("words", OPTION_WORDS.values(), ids=OPTION_WORDS)
def test_the_page_has_every_word_of_an_option(words: tuple[str, ...]) -> None:
    assert [word for word in words if f'"{word}"' not in spec_table()] == []


@pytest.mark.parametrize("spec", COMPUTED.values(), ids=COMPUTED)
def test_a_function_takes_the_columns_and_options_that_are_declared(spec: StatisticSpec) -> None:
    parameters = inspect.signature(STATISTICS[spec.name].compute).parameters
    columns = [name for name in parameters if name not in (*spec.options, "labels")]
    is_variadic = parameters[columns[0]].kind is inspect.Parameter.VAR_POSITIONAL
    assert (None if is_variadic else len(columns)) == spec.arity
    assert set(spec.options) <= parameters.keys()


def test_a_line_of_an_agreement_table_has_one_name() -> None:
    labels = [e.label for definition in STATISTICS.values() for e in definition.table_entries]
    assert len(set(labels)) == len(labels)


def test_only_the_family_that_loads_first_has_statistics_in_one_pass() -> None:
    one_pass = [definition for definition in STATISTICS.values() if definition.one_pass is not None]
    assert one_pass == list(shares_and_means.STATISTICS)
