"""Keys and words that people write out of habit, and what the language has in their place."""

from __future__ import annotations

from collections.abc import Mapping

_CONDITION = (
    "which rows count says an aggregate: "
    "`aggregate NAME = GRADER if condition else …`; the grader runs on those rows only"
)
_THRESHOLD = "what passes says `pass = score >= …`"
_MODEL_SETTING = 'a model has this setting: `model NAME = llm("…", {key}=…)`'
_SCALE = "the scale stands on the first line: `grader NAME -> 1..5:`"
_DOC = "a comment `## …` above the declaration documents it"

FOREIGN_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("if", "when", "where", "only", "only_if", "filter", "unless"), _CONDITION),
    **dict.fromkeys(("condition", "skip", "skip_if", "applies_to"), _CONDITION),
    **dict.fromkeys(("threshold", "cutoff", "min_score", "passing", "minimum"), _THRESHOLD),
    **dict.fromkeys(("temperature", "top_p", "max_tokens", "seed", "timeout"), _MODEL_SETTING),
    **dict.fromkeys(("max_retries", "reasoning_effort", "base_url"), _MODEL_SETTING),
    **dict.fromkeys(("scale", "range", "type", "labels", "choices", "levels"), _SCALE),
    **dict.fromkeys(("description", "doc", "comment", "notes"), _DOC),
    "weight": "weights stand in an aggregate: `weighted(a=0.6, b=0.4)`",
    "weights": "weights stand in an aggregate: `score = weighted(a=0.6, b=0.4)`",
}


def foreign_key_help(key: str) -> str:
    """What stands in place of a key that the language does not have; empty for any other.

    >>> foreign_key_help("threshold")
    'what passes says `pass = score >= …`'
    """
    return FOREIGN_KEYS.get(key, "").replace("{key}", key)


BOOLEAN_WORDS: Mapping[str, str] = {
    "true": "True",
    "yes": "True",
    "on": "True",
    "false": "False",
    "no": "False",
    "off": "False",
}
"""Words for a bool, in small letters. As names, only the first of each kind is surely none."""
