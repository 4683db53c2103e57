"""`df.rmg`: registered whenever pandas comes, and a frame that keeps its shape."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import rmg_dsl as rmg

BRIEF = "grader brief = words(response) <= 2"
FRAMES = {
    "plain": pd.DataFrame({"response": ["a", "b c d"]}),
    "strings": pd.DataFrame(
        {"response": pd.array(["a", "b c d"], dtype="string"), "n": [1, 2]}, index=["x", "y"]
    ),
    "repeated index": pd.DataFrame({"response": ["a", "b c d"]}, index=[7, 7]),
    "two levels": pd.DataFrame(
        {"response": ["a", "b c d"]},
        index=pd.MultiIndex.from_tuples([("x", 1), ("x", 2)], names=["who", "turn"]),
    ),
    "times": pd.DataFrame(
        {"response": ["a", "b c d"], "at": pd.to_datetime(["2026-01-01", "NaT"])},
        index=pd.date_range("2026-01-01", periods=2),
    ),
    "odd dtypes": pd.DataFrame(
        {
            "response": pd.Categorical(["a", "b c d"]),
            "small": np.array([1, 2], dtype="int8"),
            "objects": [{"a": [1]}, None],
        }
    ),
    "an index of categories": pd.DataFrame(
        {"response": ["a", "b c d"]}, index=pd.CategoricalIndex(["x", "y"], name="kind")
    ),
    "repeated in two levels": pd.DataFrame(
        {"response": ["a", "b c d"]},
        index=pd.MultiIndex.from_tuples([("x", 1), ("x", 1)], names=["who", None]),
    ),
    "nested": pd.DataFrame(
        {
            "response": ["a", "b c d"],
            "docs": [[{"text": "x"}], np.array([1, 2])],
            "meta": [{"a": {"b": 1}}, {}],
        }
    ),
    "our own name": pd.DataFrame({"response": ["a", "b c d"], "rmg": [1, 2]}),
    "no rows": pd.DataFrame({"response": pd.Series([], dtype="object")}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_scored_frame_is_the_frame_with_more_columns(name: str) -> None:
    frame = FRAMES[name]
    before = frame.copy(deep=True)
    scored = frame.rmg.score(BRIEF)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(scored[list(frame.columns)], before)
    pd.testing.assert_index_equal(scored.index, before.index)
    assert list(scored.columns) == [*frame.columns, "brief", "brief_reason", "brief_status"]
    assert scored["brief"].tolist() == [True, False][: len(frame)]


def test_nested_columns_are_read_inside() -> None:
    spec = 'fields:\n    text = join(docs.text, " ")\ngrader brief = words(text) <= 2'
    frame = pd.DataFrame(
        {"docs": [[{"text": "a"}, {"text": "b"}], [{"text": "a b c"}]]}, index=pd.Index([3, 3])
    )
    assert frame.rmg.score(spec)["brief"].tolist() == [True, False]


def test_a_hundred_thousand_rows_are_each_their_own() -> None:
    count = 100_000
    frame = pd.DataFrame(
        {"response": ["a " * (i % 5) for i in range(count)]}, index=range(count, 0, -1)
    )
    scored = frame.rmg.score("grader length = words(response)\ngrader brief = words(response) <= 2")
    assert scored.index.equals(frame.index)
    assert (scored["length"] == pd.Series([i % 5 for i in range(count)], index=frame.index)).all()
    assert scored["brief_status"].value_counts()["ok"] == count


def test_refine_runs_the_loops_alone_and_needs_one() -> None:
    frame = FRAMES["plain"]
    with pytest.raises(rmg.UsageError, match=r"declares no `refine`: `df\.rmg\.score`"):
        frame.rmg.refine(BRIEF)
    loop = 'grader good -> 1..5 = "{{ response }}"\ngrader other -> 1..5 = "{{ response }}!"\n'
    loop += "refine response:\n    until = good >= 4"
    model = rmg.ScriptedModel({"good": 5})
    refined = frame.rmg.refine(loop, model=model)
    assert refined["response_refined"].tolist() == frame["response"].tolist()
    assert set(refined["response_status"]) == {"ok"}
    assert {request.question.grader for request in model.requests} == {"good"}
    assert frame.rmg.score(loop, model=rmg.ScriptedModel({"good": 3}))["good"].tolist() == [3, 3]


def test_rows_without_text_have_no_score() -> None:
    frame = pd.DataFrame({"response": ["a", None, np.nan, pd.NA, ""]}, dtype="object")
    assert frame.rmg.score(BRIEF)["brief_status"].tolist() == ["ok", *["missing_input"] * 3, "ok"]


def test_the_whole_result_and_the_plan_are_there_too() -> None:
    frame = FRAMES["plain"]
    spec = 'grader good -> 1..5 = "{{ response }}"'
    result = frame.rmg.grade(spec, model=rmg.ScriptedModel({"good": 3}))
    assert result.summary["mean"].tolist() == [3.0]
    assert "2 rows, 2 model calls" in str(frame.rmg.plan(spec))
    with pytest.raises(rmg.UsageError, match="no option `modle`"):
        frame.rmg.score(spec, modle="a/b")


def test_a_change_to_the_frame_afterwards_does_not_reach_the_result() -> None:
    frame = FRAMES["plain"].copy(deep=True)
    result = frame.rmg.grade(BRIEF)
    frame.loc[0, "response"] = "a long and other answer"
    frame["more"] = 1
    assert result.df["response"].tolist() == ["a", "b c d"]
    assert "more" not in result.df.columns


ORDERS = {
    "pandas first": "import pandas; import rmg_dsl",
    "pandas after": "import rmg_dsl; assert 'pandas' not in sys.modules; import pandas",
    "looked for, then imported": (
        "import rmg_dsl, importlib.util; importlib.util.find_spec('pandas'); import rmg_dsl; "
        "assert 'pandas' not in sys.modules; import pandas"
    ),
    "looked at": (
        "import rmg_dsl, importlib.util; s = importlib.util.find_spec('pandas'); "
        "assert s.loader.get_filename('pandas') == s.origin; import pandas"
    ),
    "a part of it first": "import rmg_dsl; from pandas.api.types import is_bool; import pandas",
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_accessor_is_there_in_whatever_order_one_imports(order: str) -> None:
    code = (
        f"import sys; {ORDERS[order]}\n"
        "df = pandas.DataFrame({'response': ['a']})\n"
        "assert type(df.rmg).__name__ == 'Accessor'\n"
        "assert 'importlib' in type(pandas.__spec__.loader).__module__\n"
        "assert not [f for f in sys.meta_path if type(f).__module__.startswith('rmg_dsl')]\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
