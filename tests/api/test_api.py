"""The Python API: what `load`, `check`, `plan`, `grade` and their results promise."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from loopback import Loopback, Told, chat, deserted_url, error, verdict

import rmg_dsl as rmg
from rmg_dsl.api import Options
from rmg_dsl.config import Settings
from rmg_dsl.errors import CallError
from rmg_dsl.messages import Request

SPEC = 'grader good -> 1..5 = "Q: {{ query }} A: {{ response }}"\n'
BRIEF = "grader brief = words(response) <= 2"
ROWS: list[dict[str, Any]] = [
    {"query": "q1", "response": "a"},
    {"query": "q2", "response": "b c d"},
    {"query": "q3", "response": None},
]
KEY = "sk-very-secret-0123456789"


def scripted(value: Any = 4) -> rmg.ScriptedModel:
    return rmg.ScriptedModel({"good": value})


# ── suites ──


def test_a_suite_tells_what_it_declares() -> None:
    suite = rmg.loads(SPEC + "aggregate reward = weighted(good)\n## Is it short?\n" + BRIEF)
    assert list(suite.graders) == ["good", "brief"]
    assert list(suite.aggregates) == ["reward"]
    assert suite.graders["brief"].doc == "Is it short?"
    shown = repr(suite)
    assert "1..5" in shown
    assert "Is it short?" in shown
    assert repr(rmg.loads("param floor = 3")).endswith("an empty suite")


def test_a_suite_comes_from_a_file_and_mistakes_come_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "spec.rmg"
    path.write_text(SPEC, "utf-8")
    assert list(rmg.load(path).graders) == ["good"]
    with pytest.raises(rmg.UsageError, match=r"nowhere\.rmg: cannot be read: no such file"):
        rmg.load(tmp_path / "nowhere.rmg")
    path.write_bytes(b"\xff")
    with pytest.raises(rmg.UsageError, match="is not UTF-8 text"):
        rmg.load(path)
    with pytest.raises(rmg.SpecError, match="RMG204") as mistakes:
        rmg.loads("grader a = wrods(x)\ngrader b = chrs(x)")
    diagnostics: Any = mistakes.value.diagnostics
    assert [d.code for d in diagnostics if d.severity == "error"] == [
        "RMG204",
        "RMG204",
    ]


@pytest.mark.parametrize("spec", ["spec.rmg", Path("spec.rmg"), BRIEF, rmg.loads(BRIEF)])
def test_a_spec_is_a_suite_a_text_or_a_path(
    spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.rmg").write_text(BRIEF, "utf-8")
    assert rmg.grade(spec, ROWS).df["brief"].tolist() == [True, False, pd.NA]


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        (7, rmg.UsageError, "a spec is a suite, a text or a path, not int"),
        ("nowhere.rmg", rmg.UsageError, "nowhere.rmg: cannot be read"),
        ("grader", rmg.SpecError, "RMG1"),
    ],
)
def test_what_is_no_spec_is_told(spec: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        rmg.grade(spec, ROWS)


def test_a_check_never_raises_for_mistakes_and_knows_the_data() -> None:
    assert [d.code for d in rmg.check("aggregate a = b")] == ["RMG215"]
    assert "RMG501" in [d.code for d in rmg.check(SPEC, [{"query": "q"}])]
    assert [d for d in rmg.check(SPEC, ROWS) if d.severity != "note"] == []


# ── results ──


def test_a_result_holds_everything() -> None:
    spec = SPEC + BRIEF + "\nrequire mean(good) >= 3\n"
    result = rmg.grade(
        spec, ROWS, model=scripted([5, {"reason": "so so", "verdict": 3}]), concurrency=1
    )
    assert result.df["good"].tolist() == [5, 3, pd.NA]
    assert result.df["good_reason"].tolist() == ["scripted", "so so", pd.NA]
    assert result.df["good_status"].tolist() == ["ok", "ok", "missing_input"]
    assert result.df.dtypes.astype(str)[
        ["good", "good_reason", "good_status", "brief"]
    ].tolist() == [
        "Int64",
        "string",
        "category",
        "boolean",
    ]
    assert result.failures.to_dict("records") == [
        {
            "row": 2,
            "grader": "good",
            "status": "missing_input",
            "message": "`response` is null or blank",
            "attempts": 0,
        },
        {
            "row": 2,
            "grader": "brief",
            "status": "missing_input",
            "message": "`response` is null",
            "attempts": 0,
        },
    ]
    summary = result.summary.set_index("name")
    assert summary.loc["good", ["n", "mean", "unscored", "missing_input", "calls"]].tolist() == [  # type: ignore[operator] # the stubs see a cell
        2,
        4.0,
        1,
        1,
        2,
    ]
    assert (result.usage.calls, result.usage.cached, result.usage.retried) == (2, 0, 0)
    assert [(gate.text, gate.holds) for gate in result.gates] == [("mean(good) >= 3", False)]
    assert "scripted replies" in str(result)
    assert "FAILS" in repr(result)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_a_saved_result_reads_back_as_it_was(ending: str, tmp_path: Path) -> None:
    result = rmg.grade(SPEC, ROWS, model=scripted([5, 3]), concurrency=1)
    result.save(tmp_path / f"out.{ending}")
    read = rmg.read(tmp_path / f"out.{ending}")
    assert read["good_status"].tolist() == ["ok", "ok", "missing_input"]
    pd.testing.assert_frame_equal(read, result.df)


def test_a_suite_of_nothing_gives_the_data_back(tmp_path: Path) -> None:
    result = rmg.grade("param floor = 3", ROWS)
    assert result.df["query"].tolist() == ["q1", "q2", "q3"]
    result.save(tmp_path / "out.jsonl")
    assert len((tmp_path / "out.jsonl").read_text("utf-8").splitlines()) == 3


def test_a_price_makes_a_bill_and_what_is_not_known_makes_none() -> None:
    one = 'model judge = llm("vllm/a", base_url="{}", price="1/2")\n'
    two = 'model other = llm("vllm/b", base_url="{}")\ngrader also -> 1..5:\n    model = other\n'
    two += '    prompt = "{{{{ query }}}}"\n'
    with Loopback(verdict(4)) as server:
        priced = rmg.grade(one.format(server.url) + SPEC, ROWS[:2])
        unknown = rmg.grade(one.format(server.url) + two.format(server.url) + SPEC, ROWS[:2])
        replaced = rmg.grade(one.format(server.url) + SPEC, ROWS[:2], model=scripted())
    assert priced.usage.cost == pytest.approx((2 * 10 * 1 + 2 * 5 * 2) / 1e6)
    assert unknown.usage.cost is None
    assert replaced.usage.cost is None


# ── options ──


def test_the_options_take_parts_of_the_work() -> None:
    spec = SPEC + BRIEF + "\nparam floor = 3\nrequire mean(good) >= floor\n"
    model = scripted()
    assert len(rmg.grade(spec, ROWS, model=model, limit=1).df) == 1
    assert len(rmg.grade(spec, ROWS, model=model, sample=2, seed=1).df) == 2
    only = rmg.grade(spec, ROWS, only=["brief"])
    assert list(only.df.columns) == ["query", "response", "brief", "brief_reason", "brief_status"]
    assert not rmg.grade(spec, ROWS[:1], model=model, params={"floor": 4.5}).holds
    assert rmg.grade(spec, ROWS[:1], model=model, params={"floor": 4}).holds


def test_a_prefix_is_before_every_new_column_and_in_the_summary() -> None:
    result = rmg.grade(SPEC, ROWS[:1], model=scripted(), prefix="v2_")
    assert list(result.df.columns) == [
        "query",
        "response",
        "v2_good",
        "v2_good_reason",
        "v2_good_status",
    ]
    assert result.summary["calls"].tolist() == [1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modle": "a/b"}, "there is no option `modle`: did you mean `model`"),
        ({"limit": -1}, "`limit` is a whole number from 0, not -1"),
        ({"limit": True}, "`limit` is a whole number"),
        ({"sample": 1.5}, "`sample` is a whole number"),
        ({"seed": "a"}, "`seed` is a whole number"),
        ({"concurrency": 0}, "`concurrency` is a whole number from 1"),
        ({"only": "good"}, "lists of names"),
        (
            {"only": ["goood"]},
            "`goood` is no grader or aggregate of this spec: did you mean `good`",
        ),
        ({"params": {"flor": 1}}, "the spec has no param `flor`: did you mean `floor`"),
        ({"params": {"floor": "high"}}, "param `floor` is a number"),
        ({"params": {"floor": True}}, "param `floor` is a number"),
        ({"params": {"floor": float("nan")}}, "param `floor` is a number"),
        ({"params": [("floor", 1)]}, "`params` is a dict"),
        ({"functions": {"f": 3}}, "`f` is int, not a function"),
        ({"functions": {"f": asyncio.sleep}}, "`f` is async"),
        ({"functions": {"words": len}}, "`words` is a built-in function"),
        ({"model": 7}, "`model` is"),
        ({"model": {"strong": "a/b"}}, "the spec asks no model named `strong`"),
        ({"prefix": None}, "`prefix` is a text"),
    ],
)
def test_a_wrong_option_is_told_before_any_call(options: dict[str, Any], words: str) -> None:
    model = scripted()
    with pytest.raises(rmg.UsageError, match=words):
        rmg.grade(
            SPEC + "param floor = 3\nrequire mean(good) >= floor",
            ROWS,
            **{"model": model, **options},
        )
    assert model.requests == []


def test_the_mistakes_of_a_spec_come_before_those_of_a_call() -> None:
    with pytest.raises(rmg.SpecError):
        rmg.grade("grader good = wrods(response)", ROWS, only=["nothing"], params={"floor": 1})


@pytest.mark.parametrize(
    ("model", "code"),
    [(None, "RMG602"), ("groq/any", ""), ("local/none", ""), ("nonsense", ""), ("olama/any", "")],
)
def test_a_judge_that_cannot_be_asked_is_a_model_error(model: str | None, code: str) -> None:
    with pytest.raises(rmg.ModelError) as found:
        rmg.grade(SPEC, ROWS, model=model)
    assert found.value.code in (code, "RMG603")


def test_settings_come_from_the_environment_and_wrong_ones_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings.of({"RMG_CONCURRENCY": " 7 "}).concurrency == 7
    assert Settings.of({}).concurrency is None
    assert Settings.of({"XDG_CACHE_HOME": "/var/x"}).cache_dir == Path("/var/x/rmg")
    assert Settings.of({"XDG_CACHE_HOME": "x", "HOME": "/home/a"}).cache_dir == Path(
        "/home/a/.cache/rmg"
    )
    assert Settings.of({"RMG_CACHE_DIR": "/var/y"}).cache_dir == Path("/var/y")
    assert KEY not in repr(Settings.of({"OPENAI_API_KEY": KEY}))
    monkeypatch.setenv("RMG_CONCURRENCY", "-1")
    with pytest.raises(rmg.UsageError, match="RMG_CONCURRENCY is a whole number from 1"):
        rmg.grade(SPEC, ROWS, model=scripted())


def test_a_model_object_is_asked_no_faster_than_was_allowed() -> None:
    busy = peak = 0

    async def answer(_: Request) -> int:
        nonlocal busy, peak
        busy += 1
        peak = max(peak, busy)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        busy -= 1
        return 4

    result = rmg.grade(SPEC, ROWS[:2] * 50, model=rmg.ScriptedModel(answer), concurrency=3)
    assert result.usage.calls == 100
    assert peak == 3


def test_models_by_their_declared_names() -> None:
    spec = 'model judge = llm("groq/a")\nmodel strong = llm("groq/b")\n' + SPEC
    spec += 'grader hard -> 1..5:\n    model = strong\n    prompt = "Hard: {{ query }}"\n'
    weak, strong = (
        rmg.ScriptedModel({"good": 2}, name="weak"),
        rmg.ScriptedModel({"hard": 5}, name="strong"),
    )
    result = rmg.grade(spec, ROWS[:1], model={"judge": weak, "strong": strong})
    assert result.df[["good", "hard"]].values.tolist() == [[2, 5]]
    assert result.summary["judge"].tolist() == ["weak", "strong"]
    # A model that the spec declares may be named where this run does not need it.
    assert rmg.grade(spec, ROWS[:1], model={"judge": weak, "strong": strong}, only=["good"]).df[
        "good"
    ].tolist() == [2]


# ── functions of the caller ──


def shouting(text: str) -> bool:
    return text == text.upper()


def test_python_runs_only_where_it_was_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checks_of_mine.py").write_text("raise SystemExit('imported')", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    spec = 'grader loud -> bool = python("checks_of_mine:shouting", text = response)'
    for allowed in ([], ["checks"], ["checks_of"]):
        with pytest.raises(rmg.UsageError, match="is not allowed") as refused:
            rmg.grade(spec, ROWS, allow_python=allowed)
        assert refused.value.code == "RMG604"
    given = rmg.grade(spec, ROWS, functions={"checks_of_mine:shouting": shouting})
    assert given.df["loud"].tolist() == [False, False, pd.NA]
    (tmp_path / "checks_of_mine.py").write_text("def shouting(text): return text == 'a'", "utf-8")
    assert rmg.grade(spec, ROWS, allow_python=["checks_of_mine"]).df["loud"].tolist() == [
        True,
        False,
        pd.NA,
    ]
    with pytest.raises(rmg.UsageError, match="cannot be imported"):
        rmg.grade(spec.replace("shouting", "nothing"), ROWS, allow_python=["checks_of_mine"])


def test_a_spec_may_call_functions_that_were_given() -> None:
    spec = "grader loud = shouting(response)\ngrader brief = words(response) <= 2"
    result = rmg.grade(spec, ROWS[:2], functions={"shouting": shouting})
    assert result.df["loud"].tolist() == [False, False]
    with pytest.raises(rmg.SpecError, match="unknown function `shouting`"):
        rmg.grade(spec, ROWS)


def test_a_plan_runs_no_function_and_gives_a_range() -> None:
    called: list[str] = []
    spec = (
        'grader loud -> bool = python("m:f", text = response)\n'
        + SPEC
        + "aggregate both = good if loud else 1"
    )
    view = rmg.loads(spec).plan(ROWS, functions={"m:f": called.append})
    assert called == []
    assert (view.bill.rows, view.bill.least, view.bill.most) == (3, 0, 2) if view.bill else False
    assert "3 rows, 0 to 2 model calls\nat most about " in str(view)


# ── while it runs ──


def test_each_finished_row_is_handed_on_in_order() -> None:
    seen: list[Any] = []
    rmg.grade(
        SPEC, ROWS, model=scripted(), on_row=lambda row: seen.append((row["query"], row["good"]))
    )
    assert seen == [("q1", 4), ("q2", 4), ("q3", None)]


def test_a_callback_that_fails_ends_the_run_and_leaves_nobody_asking() -> None:
    model = scripted()

    def fail(_: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        rmg.grade(SPEC, ROWS[:2] * 5_000, model=model, concurrency=1, on_row=fail)
    asked = len(model.requests)
    assert asked < 10_000
    rmg.grade(BRIEF, ROWS)  # the bridge goes on to work
    assert len(model.requests) == asked


def test_a_log_that_cannot_be_written_is_told_first(tmp_path: Path) -> None:
    model = scripted()
    with pytest.raises(rmg.DataError, match="cannot be written: no such file"):
        rmg.grade(SPEC, ROWS, model=model, log=tmp_path / "nowhere" / "log.jsonl")
    assert model.requests == []


def test_a_key_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    spec = (
        'model judge = llm("vllm/a", base_url="{}", api_key_env="MY_KEY", max_retries=0)\n' + SPEC
    )
    leaky = error(500, f"your key {KEY} is strange")
    with Loopback([chat(f"You said {KEY}, half \ud83d"), leaky]) as server:
        path = tmp_path / "log.jsonl"
        text = spec.replace("{}", server.url, 1)
        result = rmg.grade(
            text,
            ROWS[:2],
            log=path,
            concurrency=1,
            allow_hosts=["127.0.0.1"],
            allow_env=["MY_KEY"],
        )
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    log = path.read_text("utf-8")
    assert len([json.loads(line) for line in log.splitlines()]) >= 2
    shown = (
        str(result) + repr(result) + str(result.failures.to_dict()) + repr(rmg.loads(text)) + log
    )
    assert KEY not in shown


def test_a_dead_endpoint_ends_the_run_soon_with_what_is_there() -> None:
    spec = f'model judge = llm("vllm/a", base_url="{deserted_url()}")\n' + SPEC + BRIEF
    result = rmg.grade(spec, ROWS[:2] * 100)
    assert result.usage.calls < 20
    assert result.stopped.startswith("cannot reach")
    assert Counter(result.df["brief_status"]) == {"ok": 200}
    assert set(result.df["good_status"]) == {"error", "cancelled"}


STATUSES = [
    (verdict(4), "ok", 1),
    (chat("Well, it depends."), "unparsed", 2),
    (verdict(9), "off_scale", 2),
    (verdict("good"), "unparsed", 2),
    (chat(None, refusal="I would rather not."), "refused", 1),
    (chat("", finish="content_filter"), "refused", 1),
    (error(400, "flagged", code="content_filter"), "refused", 1),
    (error(500, "oops"), "error", 1),
    (Told(fault="reset"), "error", 1),
    (Told(body="<html>a proxy</html>"), "error", 1),
]


def test_each_poor_answer_has_its_status_and_no_number() -> None:
    def answer(asked: Any) -> Told:
        place = next(i for i in range(len(STATUSES)) if f"<data>q{i}." in asked.prompt)
        return STATUSES[place][0]

    rows = [{"query": f"q{i}.", "response": "r"} for i in range(len(STATUSES))]
    with Loopback(answer) as server:
        spec = f'model judge = llm("vllm/a", base_url="{server.url}", max_retries=0)\n' + SPEC
        result = rmg.grade(spec, rows)
        asked = Counter(
            next(i for i in range(len(STATUSES)) if f"<data>q{i}." in a.prompt)
            for a in server.asked
        )
    assert result.df["good_status"].tolist() == [status for _, status, _ in STATUSES]
    assert [asked[i] for i in range(len(STATUSES))] == [calls for *_, calls in STATUSES]
    assert result.df["good"].isna().tolist() == [False] + [True] * 9
    (row,) = result.summary_rows
    assert (row["n"], row["mean"], row["unscored"]) == (1, 4.0, 9)
    assert "1         9" in str(result)
    assert not result.every_row_failed


# ── where it runs ──


def test_it_runs_in_a_thread_in_a_loop_and_twice_in_a_row() -> None:
    def run() -> list[Any]:
        return rmg.grade(SPEC, ROWS, model=scripted()).df["good"].tolist()

    async def inside() -> list[Any]:
        awaited = await rmg.agrade(SPEC, ROWS, model=scripted())
        return [awaited.df["good"].tolist(), run()]

    expected = [4, 4, pd.NA]
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    assert [*found, run(), run(), *asyncio.run(inside())] == [expected] * 5


def test_a_cancelled_agrade_asks_no_more() -> None:
    started = asyncio.Event()

    async def answer(_: Request) -> int:
        started.set()
        await asyncio.Event().wait()
        return 4

    async def cancel() -> None:
        task = asyncio.create_task(rmg.agrade(SPEC, ROWS, model=rmg.ScriptedModel(answer)))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())


def test_what_is_given_is_kept_as_it_was_then(tmp_path: Path) -> None:
    rows = [dict(row) for row in ROWS]
    result = rmg.grade(BRIEF, rows)
    rows[0]["response"] = "another answer, and a long one"
    assert result.df["response"].tolist()[0] == "a"
    path = tmp_path / "data.csv"
    path.write_text("response\na\nb c d\n", "utf-8")
    from_file = rmg.grade(BRIEF, path)
    path.write_text("response\na\nb c d\nmore\n", "utf-8")
    assert from_file.df["brief"].tolist() == [True, False]
    path.write_text("response\na\nc\n", "utf-8")
    with pytest.raises(rmg.DataError, match=r"data\.csv changed while it was graded: row 2"):
        from_file.save(tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    path.unlink()
    with pytest.raises(rmg.DataError, match="cannot be read any more"):
        from_file.save(tmp_path / "out.csv")


# ── imports ──

QUIET = ("openai", "pandas", "IPython", "pyarrow", "numpy", "httpx2", "asyncio", "pydantic")


@pytest.mark.parametrize(
    "code",
    [
        "import rmg_dsl",
        "import rmg_dsl; rmg_dsl.loads('grader brief = words(response) <= 2')",
        "from rmg_dsl.surfaces.cli import main; assert main(['check', {spec!r}]) == 0",
    ],
)
def test_an_import_and_a_check_load_nothing_heavy(code: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.rmg"
    path.write_text("rmg 1\n\n" + BRIEF + "\n", "utf-8")
    rooms = "[n for n in sys.modules if n in ('rmg_dsl.runtime', 'rmg_dsl.tables', 'rmg_dsl.models.providers.openai')]"
    code = (
        code.format(spec=str(path))
        + f"\nimport sys; print([n for n in {QUIET} if n in sys.modules], {rooms})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert found.stdout == "[] []\n"


def test_the_public_names_are_there() -> None:
    assert [name for name in rmg.__all__ if getattr(rmg, name, None) is None] == []
    assert set(rmg.__all__) <= set(dir(rmg))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rmg.nothing  # type: ignore[attr-defined] # that is the test
    assert issubclass(CallError, rmg.ModelError)
    assert Options().limit is None
