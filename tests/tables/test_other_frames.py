"""A frame of polars, or a table of pyarrow, comes back as the kind that went in, with more
columns.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import rmg_dsl as rmg
from rmg_dsl.tables import ColumnData, open_table, to_frame

BRIEF = "grader brief = words(response) <= 2"
JUDGED = f"""\
{BRIEF}
grader long = words(response)
grader kind -> 1..5 = "{{{{ response }}}}"
grader tone -> "a" | "b" = "{{{{ response }}}}"
"""
POLARS = pl.DataFrame(
    {
        "response": ["a b", None, "a b c"],
        "docs": [[{"text": "x"}, {"text": "y"}], None, []],
        "at": [date(2026, 1, 1), None, date(2026, 1, 3)],
        "lang": pl.Series(["en", "de", "en"], dtype=pl.Categorical),
    }
)
FRAMES: dict[str, Any] = {"polars": POLARS, "pyarrow": POLARS.drop("lang").to_arrow()}


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param]


def columns(frame: Any) -> dict[str, list[Any]]:
    return frame.to_pydict() if isinstance(frame, pa.Table) else frame.to_dict(as_series=False)


def test_a_frame_comes_back_as_the_kind_that_went_in(frame: Any) -> None:
    before = columns(frame)
    judge = rmg.ScriptedModel({"kind": 3, "tone": "b"})
    result = rmg.grade(JUDGED, frame, model=judge)
    assert type(result.df) is type(frame)
    found = columns(result.df)
    assert {name: found[name] for name in before} == before == columns(frame)
    assert found["brief"] == [True, None, False]
    assert found["long"] == [2.0, None, 3.0]
    assert found["kind"] == [3, None, 3]
    assert found["tone"] == ["b", None, "b"]
    assert found["brief_status"] == ["ok", "missing_input", "ok"]
    assert result.summary["n"].tolist() == [2, 2, 2, 2]  # a table about the run is one of pandas


def test_the_columns_of_a_polars_frame_have_its_types() -> None:
    scored = rmg.grade(JUDGED, POLARS, model=rmg.ScriptedModel({"kind": 3, "tone": "b"})).df
    assert {name: scored.schema[name] for name in POLARS.columns} == POLARS.schema
    kinds = [scored.schema[name] for name in ("brief", "long", "kind", "tone")]
    assert kinds == [pl.Boolean, pl.Float64, pl.Int64, pl.String]
    assert "over_budget" in scored.schema["brief_status"].categories


def test_a_change_to_the_frame_afterwards_does_not_reach_the_result() -> None:
    frame = POLARS.clone()
    result = rmg.grade(BRIEF, frame)
    frame.insert_column(0, pl.Series("more", [1, 2, 3]))
    assert "more" not in result.df.columns


def test_nested_values_are_read_inside(frame: Any) -> None:
    spec = 'fields:\n    text = join(docs.text, " ")\ngrader long = words(text)'
    assert columns(rmg.grade(spec, frame).df)["long"] == [2.0, None, 0.0]


def test_some_rows_are_some_rows_of_the_frame(frame: Any) -> None:
    assert columns(rmg.grade(BRIEF, frame, limit=1).df)["response"] == ["a b"]
    sampled = columns(rmg.grade(BRIEF, frame, sample=2, seed=0).df)
    assert len(sampled["response"]) == 2
    assert sampled["brief"] == [
        None if text is None else text == "a b" for text in sampled["response"]
    ]
    assert columns(rmg.grade(BRIEF, frame[:0]).df)["brief"] == []


def test_what_no_column_of_text_could_hold_is_its_escape() -> None:
    judge = rmg.ScriptedModel(lambda _: {"reason": "half \ud83d", "verdict": 3})
    scored = rmg.grade('grader kind -> 1..5 = "{{ response }}"', POLARS, model=judge).df
    assert scored["kind_reason"][0] == "half \\ud83d"


def test_what_cannot_be_graded_is_told_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        rmg.UsageError, match=r"a LazyFrame: nothing is computed yet; give its \.collect\(\)"
    ):
        rmg.grade(BRIEF, POLARS.lazy())
    with pytest.raises(rmg.DataError, match="has the columns `brief` already"):
        to_frame(
            open_table(POLARS.with_columns(brief=1)), {"brief": ColumnData("bool", [True] * 3)}
        )
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(
        rmg.UsageError, match=r"frames of polars need narwhals: pip install \"rmg-dsl\[polars\]\""
    ):
        rmg.grade(BRIEF, POLARS)


def test_none_of_it_is_imported_where_no_such_frame_is() -> None:
    code = (
        "import sys, rmg_dsl as rmg\n"
        f"rmg.grade({BRIEF!r}, [{{'response': 'a'}}]).df\n"
        "assert not {'polars', 'narwhals'} & set(sys.modules)\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
