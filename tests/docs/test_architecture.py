"""ARCHITECTURE.md and CONTRIBUTING.md name only files and packages that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from paths import ROOT

PAGES = (ROOT / "rmg_dsl" / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md")
BASES = (ROOT, ROOT / "rmg_dsl", ROOT / "rmg_dsl" / "stats", ROOT / "tests")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|toml|lark|rmg|md|txt|jsonl|yml))")
# Words that stand for a name that the reader chooses.
_STAND_INS = ("NAME", "FILE", "out.csv")


def paths_in(page: Path) -> list[str]:
    """The paths between backticks, without those that hold a stand-in."""
    words = (word for code in _CODE.findall(page.read_text("utf-8")) for word in code.split())
    return [w for w in words if _PATH.fullmatch(w) and not any(s in w for s in _STAND_INS)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_on_the_page_exists(page: Path) -> None:
    paths = paths_in(page)
    assert len(paths) > 5
    assert [path for path in paths if not any((base / path).exists() for base in BASES)] == []


def test_every_package_has_a_line() -> None:
    text = PAGES[0].read_text("utf-8")
    packages = [path.parent.name for path in (ROOT / "rmg_dsl").glob("*/__init__.py")]
    assert [name for name in packages if f"| `{name}` |" not in text] == []


def test_there_are_eight_recipes_with_their_tests() -> None:
    recipes = PAGES[0].read_text("utf-8").split("\n### … ")[1:]
    assert len(recipes) == 8
    assert [recipe.splitlines()[0] for recipe in recipes if "\nTests: " not in recipe] == []
