"""Which host gets which key: a spec alone never decides it.

A line of `cases/models/permissions.jsonl` is one model and an environment: `sends` is the variable
whose key is sent, and `flags` are those that an error names. Without both, rows go without a key.
"""

from __future__ import annotations

import json
from typing import Any

import paths
import pytest

from rmg_dsl.config import Settings
from rmg_dsl.errors import ModelError
from rmg_dsl.models import (
    ModelSpec,
    model_destination,
    open_model,
    parse_model_name,
    permissions_of,
)

LINES = (paths.CASES / "models" / "permissions.jsonl").read_text("utf-8").splitlines()
CASES = [pytest.param(case, id=case["name"]) for case in map(json.loads, LINES)]
SECRETS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GROQ_API_KEY", "AZURE_OPENAI_API_KEY")


@pytest.mark.parametrize("case", CASES)
def test_a_key_goes_only_where_the_caller_allows_it(case: dict[str, Any]) -> None:
    keys = dict.fromkeys([*SECRETS, "AWS_SECRET_ACCESS_KEY", "TEAM_KEY"], "secret-0123456789")
    settings = Settings.of({"HOME": "/", **keys, **case["environment"]})
    spec = ModelSpec(*parse_model_name(case["model"]), case["settings"], "judge")
    destination = model_destination(spec, settings, permissions_of(settings))
    assert destination.key_variable == case.get("sends")
    assert all(flag in destination.problem for flag in case.get("flags", []))
    assert bool(destination.problem) == ("flags" in case)
    assert destination.problem.count("--allow-") == len(case.get("flags", []))
    if "flags" not in case:
        open_model(spec, settings)
        return
    with pytest.raises(ModelError, match="only the spec says so") as caught:
        open_model(spec, settings)
    assert "secret-0123456789" not in str(caught.value)
