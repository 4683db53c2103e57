"""Every spec that the repository holds: of the tests, of the library, and of SPEC.md."""

from __future__ import annotations

import re

import paths


def examples() -> list[str]:
    """The specs of the tests, of the library, and of the page that defines the language."""
    page = (paths.ROOT / "grammar" / "SPEC.md").read_text("utf-8")
    files = [
        *sorted((paths.CASES / "specs").glob("*.rmg")),
        paths.ROOT / "rmg_dsl" / "examples" / "support.rmg",
        *sorted((paths.ROOT / "rmg_dsl" / "std").glob("*.rmg")),
    ]
    texts = [path.read_text("utf-8") for path in files]
    return texts + re.findall(r"^```rmg\n(.*?)^```", page, re.M | re.S)
