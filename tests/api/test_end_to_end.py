"""From data as it comes to results as people use them: every form of data, and the real llama.cpp
server as judge.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Command
from llama import llama_url

import rmg_dsl as rmg

__all__ = ["llama_url"]

SUPPORT = ROOT / "rmg_dsl" / "examples"
ROWS: list[dict[str, Any]] = [
    {"question": "q1", "answer": "a", "reference_answer": "a"},
    {"question": "q2", "answer": "b c d", "reference_answer": "b c"},
    {"question": "q3", "answer": None, "reference_answer": "x"},
]
MAPPED = """\
fields:
    query = question
    response = answer
    reference = reference_answer
    both = join([question, answer], " / ")

grader same = exact(response, reference)
grader good -> 1..5 = "{{ query }} {{ response }} {{ both }}"
"""


def asked(model: rmg.ScriptedModel) -> list[str]:
    """What the judge read of each row, in the order of the rows."""
    ordered = sorted(model.requests, key=lambda request: request.row or 0)
    return [request.question.messages[-1].content for request in ordered]


# ── data in ──


def csv_of(rows: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame(rows)
    return str(frame.to_csv(index=False))


def as_form(form: str, folder: Path) -> Any:
    """The same rows, in a form that people have them in."""
    path = folder / f"data.{form}"
    match form:
        case "frame":
            return pd.DataFrame(ROWS)
        case "list":
            return ROWS
        case "csv":
            path.write_text(csv_of(ROWS), "utf-8")
        case "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
        case "json":
            path.write_text(json.dumps(ROWS), "utf-8")
        case _:
            pd.DataFrame(ROWS).to_parquet(path)
    return path


@pytest.mark.parametrize("form", ["frame", "list", "csv", "jsonl", "json", "parquet"])
def test_rows_of_every_form_are_graded_alike(form: str, tmp_path: Path) -> None:
    model = rmg.ScriptedModel({"good": 4})
    result = rmg.grade(MAPPED, as_form(form, tmp_path), model=model)
    assert result.df["same"].tolist() == [True, False, pd.NA]
    assert result.df["good_status"].tolist() == ["ok", "ok", "missing_input"]
    assert list(result.df.columns)[:3] == ["question", "answer", "reference_answer"]
    assert len(model.requests) == 2
    assert "q1 / a" in asked(model)[0].replace("<data>", "").replace("</data>", "")


NESTED = """\
fields:
    query = input.question
    response = output.answer
    context = join(docs.text, " ")
    last = turns[-1].content

grader good -> 1..5 = "{{ query }} {{ response }} {{ context }} {{ last }}"
"""


def test_nested_rows_are_walked_into(tmp_path: Path) -> None:
    row = {
        "input": {"question": "q1"},
        "output": {"answer": "a1"},
        "docs": [{"text": "d1"}, {"text": "d2"}],
        "turns": [{"role": "user", "content": "t1"}, {"role": "assistant", "content": "t2"}],
    }
    lost = [
        {**row, "output": {}},
        {**row, "docs": [{"text": None}]},
        {**row, "turns": []},
        {**row, "input": None},
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in [row, *lost]), "utf-8")
    model = rmg.ScriptedModel({"good": 4})
    result = rmg.grade(NESTED, path, model=model)
    assert result.df["good_status"].tolist() == ["ok"] + ["missing_input"] * 4
    (only,) = asked(model)
    assert [word in only for word in ("q1", "a1", "d1 d2", "t2")] == [True] * 4


NULLS: list[Any] = [None, float("nan"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), "", "  \n"]


@pytest.mark.parametrize("null", NULLS, ids=repr)
def test_a_null_of_any_kind_is_no_input_and_never_a_word(null: Any) -> None:
    model = rmg.ScriptedModel({"good": 4})
    spec = 'grader good -> 1..5 = "{{ query }} {{ response }}"'
    frame = pd.DataFrame(
        {"query": ["q", "q"], "response": pd.Series([null, "fine"], dtype="object")}
    )
    for data in (frame, [{"query": "q", "response": null}, {"query": "q", "response": "fine"}]):
        assert rmg.grade(spec, data, model=model).df["good_status"].tolist() == [
            "missing_input",
            "ok",
        ]
    assert len(model.requests) == 2


@pytest.mark.parametrize("word", ["None", "NA", "nan", "null", "0", "False"])
def test_a_word_that_only_looks_like_nothing_is_text(word: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(f"response\n{word}\nand more\n", "utf-8")
    model = rmg.ScriptedModel({"good": 4})
    result = rmg.grade('grader good -> 1..5 = "{{ response }}"', path, model=model)
    assert result.df["good_status"].tolist() == ["ok", "ok"]
    assert word in asked(model)[0]


def test_what_one_run_wrote_another_one_reads(tmp_path: Path) -> None:
    for ending in ("csv", "jsonl", "json", "parquet"):
        first = rmg.grade("grader brief = words(answer) <= 2", ROWS)
        first.save(tmp_path / f"first.{ending}")
        again = rmg.grade(
            "grader was = brief\ngrader longer = words(answer) > 2", tmp_path / f"first.{ending}"
        )
        assert again.df["was"].tolist() == first.df["brief"].tolist() == [True, False, pd.NA]


# ── the real llama.cpp server: proves the transport, never a judgement ──

SHORT = """\
rmg 1

model judge = llm("openai/declared", max_tokens=64, seed=1)

grader kind -> 1..5 = "How kind is this?\\n{{ response }}"
grader safe -> bool = "Is this safe?\\n{{ response }}"
grader tone -> "warm" | "cold" = "What is its tone?\\n{{ response }}"
grader share -> 0.0..1.0 = "Which share of it is polite?\\n{{ response }}"

aggregate both = weighted(unit(kind)=0.5, share=0.5) if safe else 0
"""
FITS: dict[str, Any] = {
    "kind": lambda v: v in (1, 2, 3, 4, 5),
    "safe": lambda v: v in (True, False),
    "tone": lambda v: v in ("warm", "cold"),
    "share": lambda v: 0 <= v <= 1,
    "both": lambda v: 0 <= v <= 1,
}
HONEST = {"ok", "skipped", "unparsed", "off_scale", "missing_input"}


def test_a_real_server_grades_the_shipped_example(llama_url: str, rmg_command: Command) -> None:
    words = (
        "run",
        SUPPORT / "support.rmg",
        SUPPORT / "support.csv",
        "--model",
        "openai/any",
        "--limit",
        "3",
    )
    found = rmg_command(*words, "-o", "out.jsonl", "--json", OPENAI_BASE_URL=llama_url)
    assert found.returncode in (0, 1), found.stderr
    report = json.loads(found.stdout)
    written = [
        json.loads(line)
        for line in (rmg_command.folder / "out.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(written) == 3
    for name in ("relevance", "correctness", "reward"):
        assert {row[f"{name}_status"] for row in written} <= HONEST
        assert all(1 <= row[name] <= 5 for row in written if row[f"{name}_status"] == "ok")
        assert all(row[name] is None for row in written if row[f"{name}_status"] != "ok")
    assert report["usage"]["calls"] >= 6
    assert report["usage"]["tokens_in"] > 1_000
    assert report["stopped"] is None


def test_a_real_server_answers_on_every_scale(llama_url: str, rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": SHORT})
    words = (
        "run",
        "spec.rmg",
        SUPPORT / "support.csv",
        "--model",
        "openai/any",
        "--limit",
        "6",
        "-o",
        "out.jsonl",
    )
    found = rmg_command(*words, OPENAI_BASE_URL=llama_url)
    assert found.returncode in (0, 1), found.stderr
    for line in (rmg_command.folder / "out.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        for name, fits in FITS.items():
            status = row[f"{name}_status"]
            assert status in HONEST
            assert fits(row[name]) if status == "ok" else row[name] is None
