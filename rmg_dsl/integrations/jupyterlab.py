"""Write the words of the language into the JupyterLab extension: run this module."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from rmg_dsl.editing import Vocabulary

_WORDS = re.compile(r"const WORDS = \{.*?\};", re.S)
_FOLDER = Path(__file__).parents[2] / "grammar" / "editors"


def with_words(script: str, words: Vocabulary) -> str:
    """A script whose line `const WORDS = {…};` holds every word by kind.

    >>> from rmg_dsl.api.sources import universe
    >>> from rmg_dsl.editing import vocabulary
    >>> "lower bool points" in with_words("const WORDS = {};", vocabulary(universe()))
    True
    """
    groups = (
        f'    {json.dumps(f.name)}: {json.dumps(" ".join(getattr(words, f.name)))}.split(" "),'
        for f in fields(words)
    )
    return _WORDS.sub(lambda _: "\n".join(["const WORDS = {", *groups, "  };"]), script)


def main() -> None:
    """Write the words into each script of the folder that has a place for them: in a checkout."""
    from rmg_dsl.api.sources import universe
    from rmg_dsl.editing import vocabulary

    for path in sorted(_FOLDER.rglob("*.js")):
        path.write_text(with_words(path.read_text("utf-8"), vocabulary(universe())), "utf-8")


if __name__ == "__main__":
    main()
