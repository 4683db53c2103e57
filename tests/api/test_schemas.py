"""The published JSON Schemas: what commands print and write fits them, and its bytes stay."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import paths
import pytest
from conftest import Command
from loopback import Loopback, error, verdict

import rmg_dsl as rmg
from rmg_dsl.api.schemas import SCHEMAS, json_schema, validate
from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.models import SETTINGS

FOLDER = paths.CASES / "json"
CASES = tomllib.loads((FOLDER / "cases.toml").read_text("utf-8"))["case"]
SECONDS = re.compile(r'"seconds": [\d.e-]+')
SETTING_CASES = [
    json.loads(line)
    for line in (paths.CASES / "models" / "settings.jsonl").read_text("utf-8").splitlines()
]


def expected_output(case: dict[str, Any]) -> str:
    return (FOLDER / f"{case.get('file', case['schema'])}.txt").read_text("utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("file", case["schema"]))
def test_an_output_fits_its_schema_and_keeps_its_bytes(
    case: dict[str, Any], rmg_command: Command
) -> None:
    rmg_command.write(
        {name: (FOLDER / name).read_bytes() for name in ("spec.rmg", "mistakes.rmg", "data.csv")}
    )
    printed = rmg_command(*case["command"]).stdout
    if case["schema"] == "log":
        printed = (rmg_command.folder / "log.jsonl").read_text("utf-8")
    assert SECONDS.sub('"seconds": 0.0', printed) == expected_output(case)
    for line in printed.splitlines():
        validate(case["schema"], json.loads(line))


def test_a_failed_call_fits_the_schema_of_the_log(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": 'grader g -> 1..5 = "Rate {{ x }}"', "data.csv": "x\na\nb\n"})
    words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "--log", "log.jsonl")
    with Loopback(lambda _: error(400, "no such model")) as server:
        rmg_command(*words, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="key")
    lines = (rmg_command.folder / "log.jsonl").read_text("utf-8").splitlines()
    assert lines
    for line in lines:
        validate("log", json.loads(line))
        assert "error" in json.loads(line)


def test_a_raw_reply_fits_the_schema_of_the_log(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": 'grader g -> 1..5 = "Rate {{ x }}"', "data.csv": "x\na\n"})
    words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "--log", "log.jsonl")
    with Loopback(lambda _: verdict(2)) as server:
        rmg_command(*words, OPENAI_BASE_URL=server.url, OPENAI_API_KEY="key")
    (line,) = (rmg_command.folder / "log.jsonl").read_text("utf-8").splitlines()
    validate("log", json.loads(line))
    assert json.loads(line)["raw"]


@pytest.mark.parametrize("case", SETTING_CASES)
def test_the_model_of_settings_agrees_with_their_table(case: dict[str, Any]) -> None:
    for value in case["fine"]:
        validate("model_settings", {case["setting"]: value})
    for value in case["wrong"]:
        with pytest.raises(DataError) as refused:
            validate("model_settings", {case["setting"]: value})
        assert not isinstance(value, str) or len(value) < 8 or value not in str(refused.value)


def test_every_setting_has_a_type_and_a_description() -> None:
    properties = json_schema("model_settings")["properties"]
    assert list(properties) == list(SETTINGS)
    for name, setting in SETTINGS.items():
        assert properties[name]["description"] == setting.allows
        assert properties[name]["type"]


def test_a_record_that_does_not_fit_is_refused_with_its_place() -> None:
    record = rmg.grade("grader g = 1", [{"x": 1}]).as_json()
    validate("run", record)
    with pytest.raises(DataError, match=r"run: usage\.calls: "):
        validate("run", {**record, "usage": {**record["usage"], "calls": "many"}})
    with pytest.raises(DataError, match="run: colour: "):
        validate("run", {**record, "colour": "red"})


# ── rmg schema ──


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_command_prints_a_schema(name: str, rmg_command: Command) -> None:
    printed = json.loads(rmg_command("schema", name).stdout)
    assert printed == json_schema(name)
    assert printed["$schema"].endswith("2020-12/schema")


def test_an_unknown_schema_gets_advice() -> None:
    with pytest.raises(UsageError, match="no schema `runs`: did you mean `run`"):
        json_schema("runs")
