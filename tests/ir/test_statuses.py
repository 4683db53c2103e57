"""The statuses: one table of facts, and pages that list all of them."""

from __future__ import annotations

import re
import tomllib

import paths
import pytest

from rmg_dsl.editing.spec_docs import doc_entries
from rmg_dsl.results import STATUS_FACTS, Status

GROUPS = tomllib.loads((paths.CASES / "columns" / "statuses.toml").read_text("utf-8"))


@pytest.mark.parametrize("group", GROUPS)
def test_the_statuses_of_a_group(group: str) -> None:
    assert [status for status in Status if getattr(status, group)] == GROUPS[group]


def test_every_status_has_its_facts_and_every_group_its_case() -> None:
    assert list(STATUS_FACTS) == list(Status)
    groups = {name for name, value in vars(Status).items() if isinstance(value, property)}
    assert groups == {*GROUPS, "phrase"}


def test_the_language_definition_lists_the_statuses() -> None:
    listed = [entry.name for entry in doc_entries() if entry.kind == "status"]
    assert listed == [str(status) for status in Status]


def test_the_readme_lists_the_statuses() -> None:
    page = (paths.ROOT / "README.md").read_text("utf-8")
    (table,) = re.findall(r"\| status \| when \|\n\|[-|]+\n((?:\|.*\n)+)", page)
    rows = [line.split("|")[1] for line in table.splitlines()]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(Status)
