"""`%%grade`, `%grade` and `%%rmg` in real shells and kernels: what they read, give back, refuse and
show.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from types import SimpleNamespace
from typing import Any, Self

import nbformat
import pytest
from conftest import ROOT
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from jupyter_client.manager import KernelManager
from loopback import Asked, Loopback, Told, verdict
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode, v4
from traitlets.config import Config

import rmg_dsl as rmg
from rmg_dsl.api import progress
from rmg_dsl.errors import UsageError
from rmg_dsl.ir.scoring import ModelUse
from rmg_dsl.messages import Request, Usage
from rmg_dsl.runtime import Tally
from rmg_dsl.surfaces.option_line import GRADE_FLAGS, options_from_line, parse_option_line

CASES = tomllib.loads((ROOT / "tests" / "cases" / "magics" / "lines.toml").read_text("utf-8"))
BRIEF = "grader brief = words(response) <= 2"
KIND = 'grader kind -> 1..5 = "How kind? {{ response }}"'
SETUP = """\
import pandas as pd
df = pd.DataFrame({"response": ["a b", "c d e"], "lang": ["en", "de"]}, index=[7, 9])
n = 3
"""


# ── the option line ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("case", CASES["line"], ids=lambda case: case["name"])
def test_the_option_line(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(UsageError) as refused:
            parse_option_line(case["line"], GRADE_FLAGS)
        assert case["error"] in str(refused.value)
    else:
        line = parse_option_line(case["line"], GRADE_FLAGS)
        assert {word: list(values) for word, values in line.values_by_option.items()} == case[
            "given"
        ]
        assert line.rest == case["rest"]


def test_the_options_become_those_of_a_run() -> None:
    judge = rmg.ScriptedModel({})
    text = "--limit 5 --sample 3 --seed 7 --concurrency 2 --only a,b --only c --prefix p_ --log l.jsonl --set x=1"
    line = parse_option_line(
        f"{text} --allow-python m --model judge --model strong=openai/x df", GRADE_FLAGS
    )
    assert options_from_line(line, {"judge": judge}) == {
        "limit": 5,
        "sample": 3,
        "seed": 7,
        "concurrency": 2,
        "only": ("a", "b", "c"),
        "prefix": "p_",
        "log": "l.jsonl",
        "params": {"x": "1"},
        "allow_python": ("m",),
        "model": {"": judge, "strong": "openai/x"},
    }


def test_what_the_calls_may_cost_and_whether_they_are_made_again() -> None:
    assert options_from_line(parse_option_line("--budget 1.5 --refresh df", GRADE_FLAGS), {}) == {
        "budget": 1.5,
        "cache": "refresh",
    }
    assert options_from_line(parse_option_line("--no-cache df", GRADE_FLAGS), {}) == {
        "cache": False
    }
    for wrong in ("--refresh --no-cache df", "--budget much df"):
        with pytest.raises(UsageError):
            options_from_line(parse_option_line(wrong, GRADE_FLAGS), {})


def test_only_options_that_a_run_has_are_offered() -> None:
    known = {*rmg.api.Options.__dataclass_fields__}
    assert {flag.option for flag in GRADE_FLAGS.values()} - {""} <= known


# ── in a shell ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Shell:
    """An IPython of its own, and what it printed."""

    shell: InteractiveShell
    capsys: pytest.CaptureFixture[str]

    def __call__(self, text: str) -> ExecutionResult:
        return self.shell.run_cell(text, store_history=True)

    def ok(self, text: str) -> Any:
        found = self(text)
        found.raise_error()
        return found.result

    def refused(self, text: str) -> str:
        """What is shown where a cell fails: none of Python's frames."""
        self.capsys.readouterr()
        found = self(text)
        assert found.error_in_exec is not None
        shown = self.capsys.readouterr().out
        assert "Traceback" not in shown
        assert "site-packages" not in shown
        assert "magics.py" not in shown
        return shown

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    made = InteractiveShell(config=config)
    found = Shell(made, capsys)
    found.ok("%load_ext rmg_dsl")
    found.ok(SETUP)
    made.user_ns["judge"] = rmg.ScriptedModel({"kind": 4})
    yield found
    made.restore_sys_module_state()


def test_a_cell_is_graded_and_kept(shell: Shell) -> None:
    result = shell.ok(f"%%grade -o scored --model judge df\n{KIND}\n{BRIEF}")
    assert isinstance(result, rmg.Result)
    assert shell["scored"] is result
    assert result.df["kind"].to_dict() == {7: 4, 9: 4}
    assert result.df["brief"].to_dict() == {7: True, 9: False}


def test_the_expression_goes_to_the_end_of_the_line(shell: Shell) -> None:
    shell.ok(f'%%grade -o x df[df.lang == "en"].head(50)  # the first ones\n{BRIEF}')
    assert shell["x"].df.index.tolist() == [7]
    shown = shell.refused(f'%%grade df[df.lang == "en"].head(50) -o x\n{BRIEF}')
    assert '`%%grade -o x df[df.lang == "en"].head(50)`' in shown


def test_any_data_is_taken(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("response\na b\n", "utf-8")
    for data in ('[{"response": "a b"}]', '"rows.csv"', "__import__('pathlib').Path('rows.csv')"):
        assert shell.ok(f"%%grade {data}\n{BRIEF}").df["brief"].tolist() == [True]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["line"])
def test_what_makes_no_sense_is_refused_in_one_line(
    shell: Shell, tmp_path: Path, case: dict[str, Any]
) -> None:
    (tmp_path / "rows.csv").write_text("response\na b\n", "utf-8")
    found = shell(f"%%grade {case['line']}\n{BRIEF}")
    assert case["error"] in str(found.error_in_exec)
    assert case.get("python", False) != isinstance(found.error_in_exec, rmg.RmgError)


def test_what_stands_in_braces_comes_as_it_is(shell: Shell) -> None:
    shell.ok("x = 'expanded'")
    result = shell.ok(f"%%grade [{{'response': '{{x}} $x {{n+1}}'}}]\n{BRIEF}")
    assert result.df["response"].tolist() == ["{x} $x {n+1}"]
    shown = shell.refused('%%grade df\ngrader kind -> bool = "Is {x} kind to $x?"')
    assert 'grader kind -> bool = "Is {x} kind to $x?"' in shown


def test_without_rows_it_checks_and_shows_the_plan(shell: Shell) -> None:
    view = shell.ok(f"%%grade --model judge\n{KIND}")
    assert "1 step, 1 model call a row" in str(view)
    assert shell["judge"].requests == []
    assert "1 step" in str(shell.ok(f"%%grade # no rows yet\n{KIND}"))


def test_a_dry_run_asks_nobody_and_keeps_nothing(shell: Shell) -> None:
    view = shell.ok(f"%%grade --dry-run -o scored --model judge df\n{KIND}")
    assert "2 rows, 2 model calls" in str(view)
    assert shell["judge"].requests == []
    assert "scored" not in shell.shell.user_ns


def test_quiet_shows_nothing_where_the_result_is_kept(shell: Shell) -> None:
    doubtful = 'grader kind -> 1..5 = "How kind is {response}? {{ response }}"'
    assert shell.ok(f"%%grade --quiet -o scored --model judge df\n{doubtful}") is None
    assert shell["scored"].df["kind"].tolist() == [4, 4]
    assert isinstance(shell.ok(f"%%grade --quiet df\n{BRIEF}"), rmg.Result)
    shell.capsys.readouterr()
    shell.ok(f"%%grade -o scored --model judge df\n{doubtful}")
    assert "warning[RMG403]" in shell.capsys.readouterr().out


def test_the_rows_are_written(shell: Shell, tmp_path: Path) -> None:
    shell.ok(f"%%grade --save out.csv --save 'my rows.jsonl' df\n{BRIEF}")
    assert rmg.read(tmp_path / "out.csv")["brief"].tolist() == [True, False]
    assert (tmp_path / "my rows.jsonl").read_text("utf-8").count("\n") == 2


def test_rows_that_cannot_be_written_are_not_lost(shell: Shell, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def remove_folder(_: Request) -> int:
        if folder.exists():
            folder.rmdir()
        return 4

    shell.shell.user_ns["judge"] = rmg.ScriptedModel(remove_folder)
    shown = shell.refused(f"%%grade -o scored --save folder/out.csv --model judge df\n{KIND}")
    assert "DataError" in shown
    assert shell["scored"].df["kind"].tolist() == [4, 4]
    assert "kind   1..5" in shown or "kind  1..5" in shown


def test_a_file_is_graded_by_its_name(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "my support.rmg").write_text(BRIEF, "utf-8")
    (tmp_path / "support.rmg").write_text(BRIEF, "utf-8")
    assert shell.ok("%grade -o scored support.rmg df.head(1)").df["brief"].tolist() == [True]
    assert shell.ok('%grade "my support.rmg" df').df["brief"].tolist() == [True, False]
    assert "1 step" in str(shell.ok("%grade support.rmg"))
    assert "wants a file first" in shell.refused("%grade df")
    assert "wants a file first" in shell.refused("%grade")
    assert "none.rmg: cannot be read" in shell.refused("%grade none.rmg df")
    assert "`%grade -o x support.rmg df`" in shell.refused("%grade support.rmg df -o x")


def test_a_line_magic_sees_the_names_of_its_function(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "support.rmg").write_text(BRIEF, "utf-8")
    shell.ok("def inside(inner):\n    result = %grade support.rmg inner\n    return result")
    assert shell.ok("inside(df).df['brief'].tolist()") == [True, False]


def test_a_suite_is_kept_under_its_name(shell: Shell) -> None:
    suite = shell.ok(f"%%rmg -o support\n{BRIEF}")
    assert isinstance(suite, rmg.Suite)
    assert shell.ok("df.rmg.score(support)['brief'].tolist()") == [True, False]
    assert shell.ok("%grade support df").df["brief"].tolist() == [True, False]
    assert "`%%grade df` grades" in shell.refused(f"%%rmg df\n{BRIEF}")
    assert "there is no option `--limit`" in shell.refused(f"%%rmg --limit 5\n{BRIEF}")


def test_the_help_names_every_option(shell: Shell) -> None:
    info = shell.shell.object_inspect("%%grade")
    assert all(word in info["docstring"] for word in GRADE_FLAGS)
    assert "%%grade -o scored --limit 50 df" in info["docstring"]


def test_it_can_be_loaded_twice(shell: Shell) -> None:
    shell.ok("%reload_ext rmg_dsl")
    assert shell.ok(f"%%grade df\n{BRIEF}").df["brief"].tolist() == [True, False]


def test_a_result_shows_itself_and_so_do_a_suite_and_a_plan(shell: Shell) -> None:
    for text in (f"%%grade df\n{BRIEF}", f"%%rmg\n{BRIEF}", f"%%grade\n{BRIEF}"):
        formatter: Any = shell.shell.display_formatter
        formats, _ = formatter.format(shell.ok(text))
        assert formats["text/html"].startswith('<div class="rmg')
        assert "brief" in formats["text/plain"]


# ── mistakes ──────────────────────────────────────────────────────────────────────────────────────


def test_a_mistake_is_shown_at_its_place_in_the_cell(shell: Shell) -> None:
    number = (
        shell.shell.displayhook.prompt_count + 1
        if _counts_after(shell)
        else shell.shell.execution_count
    )
    shown = shell.refused(
        f"%%grade df\n# a remark\n{BRIEF}\ngrader a = wrods(response)\naggregate b = unit(kindd)"
    )
    assert f"--> In[{number}]:4:12" in shown
    assert f"--> In[{number}]:5:20" in shown
    assert "  |            ^^^^^" in shown
    assert "2 errors" in shown


def _counts_after(shell: Shell) -> bool:
    """Does this IPython count a cell only after it was run?"""
    return bool(shell.shell.displayhook.prompt_count == shell.shell.execution_count)


def test_blank_lines_above_the_magic_count(shell: Shell) -> None:
    assert "]:5:12" in shell.refused("\n\n%%grade df\n\ngrader a = wrods(response)")
    assert "]:4:12" in shell.refused("\n%%rmg\n\ngrader a = wrods(response)")


def test_what_the_data_lacks_is_shown_in_the_cell_too(shell: Shell) -> None:
    shown = shell.refused(
        "%%grade df\ngrader brief = words(respons) <= 2\ngrader lang = words(response) > 1"
    )
    assert "RMG501" in shown
    assert "RMG502" in shown
    shell.ok("%%rmg -o kept\ngrader brief = words(nothing) <= 2")
    assert "]:2:" in shell.refused("%grade kept df")


def test_a_judge_that_cannot_be_asked_is_told_in_one_line(shell: Shell) -> None:
    shown = shell.refused(f"%%grade df\n{KIND}")
    assert shown.startswith("ModelError: no model is named.")
    assert "(rmg explain RMG602)" in shown


def test_a_mistake_in_the_authors_own_python_is_pythons_to_tell(shell: Shell) -> None:
    shell.ok("def rows():\n    return unheard_of")
    found = shell(f"%%grade rows()\n{BRIEF}")
    assert isinstance(found.error_in_exec, NameError)
    assert isinstance(shell(f"%%grade df.nothing\n{BRIEF}").error_in_exec, AttributeError)


def test_a_mistake_that_came_of_a_group_of_exceptions_is_shown_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        try:
            raise ExceptionGroup("many", [ValueError("inside")])
        except ExceptionGroup:
            raise rmg.DataError("the rows cannot be read")  # noqa: B904 - what it came from is the point

    monkeypatch.setattr("rmg_dsl.surfaces.magics._grade", fails)
    assert shell.refused(f"%%grade df\n{BRIEF}").strip() == "DataError: the rows cannot be read"


def test_loading_starts_nothing() -> None:
    code = (
        "import sys, threading\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from traitlets.config import Config\n"
        "config = Config(); config.HistoryManager.enabled = False\n"
        "shell = InteractiveShell(config=config)\n"
        "before = threading.active_count()\n"
        "shell.run_cell('%load_ext rmg_dsl').raise_error()\n"
        "assert 'grade' in shell.magics_manager.magics['cell']\n"
        "assert threading.active_count() == before\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'openai', 'httpx', 'httpx2', 'pandas'}, loaded\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_importing_does_not_bring_in_ipython() -> None:
    code = "import sys, rmg_dsl, rmg_dsl.surfaces.magics, rmg_dsl.surfaces.notebook; assert 'IPython' not in sys.modules"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


# ── in a notebook ─────────────────────────────────────────────────────────────────────────────────


def executed(*cells: str, allow_errors: bool = False) -> NotebookNode:
    made = v4.new_notebook(
        cells=[v4.new_code_cell(text) for text in ("%load_ext rmg_dsl", SETUP, *cells)]
    )
    client = NotebookClient(made, kernel_name="python3", allow_errors=allow_errors, timeout=60)
    client.execute(stdout=DEVNULL, stderr=DEVNULL)
    made.cells = made.cells[2:]
    return made


def test_progress_is_done_in_the_saved_notebook() -> None:
    with Loopback(verdict(4)) as server:
        spec = f'model judge = llm("vllm/a", base_url="{server.url}")\n{KIND}'
        saved = executed(
            f"%%grade -o scored df\n{spec}",
            "scored.df['kind'].tolist()",
            f"%%grade --quiet df\n{spec}",
        )
    drawn, table = saved.cells[0].outputs
    assert drawn.data["text/plain"] == "done  2 rows  2 calls"
    assert "done  2 rows" in drawn.data["text/html"]
    assert table.output_type == "execute_result"
    assert table.data["text/html"].startswith('<div class="rmg')
    assert "kind" in table.data["text/plain"]
    assert saved.cells[1].outputs[0].data["text/plain"] == "[4, 4]"
    assert [output.output_type for output in saved.cells[2].outputs] == ["execute_result"]


class Drawn(list[str]):
    """What a display was told to show, one after the other."""

    def __call__(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> Drawn:
        assert display_id
        self.update(bundle, raw=raw)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        assert bundle["text/plain"] in bundle["text/html"]
        self.append(bundle["text/plain"])


def clock(monkeypatch: pytest.MonkeyPatch, *seconds: float) -> None:
    """The progress looks at its watch, and sees these, one after the other."""
    now = iter(seconds)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(now)))


def test_progress_says_how_far_how_fast_how_long_yet_and_what_it_costs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock(monkeypatch, 0.0, 0.1, 5.0)
    drawn = Drawn()
    cell = progress.CellProgress(progress.ProgressText(40, lambda _: 0.0125), drawn)
    tally = Tally({(0, ModelUse("judge", None)): Usage(calls=12, retried=2)}, rows=10)
    cell.draw(tally)  # too early to be drawn anew
    cell.draw(tally)
    cell.end("done  40 rows  45 calls")
    assert drawn == [
        "starting",
        "10/40 rows  2.0 rows/s  15 s left  12 calls (2 retried)  0.0125 USD",
        "done  40 rows  45 calls",
    ]


def test_a_short_call_of_python_leaves_no_progress_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    clock(monkeypatch, 0.0, 0.5, 0.0, 1.5)
    quick, slow = Drawn(), Drawn()
    for drawn in (quick, slow):
        cell = progress.CellProgress(progress.ProgressText(4), drawn, patience=1.0)
        cell.draw(Tally())
        cell.end("done")
    assert quick == []
    assert slow == ["0/4 rows  0.0 rows/s  0 calls", "done"]


def test_the_rate_is_of_what_happened_lately() -> None:
    words = progress.ProgressText(2_000)
    for seconds in range(0, 30, 5):
        words.line(Tally(rows=1_000), seconds)  # all of them from the cache, at once
    assert "1,020/2,000 rows  1.0 rows/s  16 min left" in words.line(Tally(rows=1_020), 40)


def test_python_shows_progress_in_a_cell_where_it_is_asked_to() -> None:
    call = f"import rmg_dsl as rmg\nrmg.grade({BRIEF!r}, df, progress={{}}).df['brief'].tolist()"
    shown, silent = executed(call.format(True), call.format(False)).cells
    assert [each.data["text/plain"] for each in shown.outputs] == [
        "done  2 rows  0 calls",
        "[True, False]",
    ]
    assert [each.data["text/plain"] for each in silent.outputs] == ["[True, False]"]


def test_python_grades_in_a_kernel_blocking_and_awaited() -> None:
    spec = repr(f"{KIND}\n{BRIEF}")
    (cell,) = executed(
        "import rmg_dsl as rmg\n"
        "judge = rmg.ScriptedModel({'kind': 4})\n"
        f"one = rmg.grade({spec}, df, model=judge)\n"
        f"other = await rmg.agrade({spec}, df, model=judge)\n"
        f"df.rmg.score({spec}, model=judge).equals(one.df) and other.df.equals(one.df)"
    ).cells
    assert [output.data["text/plain"] for output in cell.outputs] == ["True"]


def test_a_mistake_fails_the_notebook_at_the_place_that_jupyter_shows() -> None:
    with pytest.raises(CellExecutionError) as failed:
        executed("n + 1", "%%grade df\ngrader a = wrods(response)")
    assert failed.value.ename == "SpecError"
    assert "In[4]:2:12" in failed.value.evalue
    assert "Traceback" not in str(failed.value)
    assert ".py" not in str(failed.value)


def test_papermill_sees_a_failed_cell_and_its_place(tmp_path: Path) -> None:
    cells = ("%load_ext rmg_dsl", SETUP, "%%grade df\ngrader a = wrods(response)", "never = 'run'")
    path = tmp_path / "in.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(text) for text in cells]), path)
    command = [
        sys.executable,
        "-m",
        "papermill",
        "-k",
        "python3",
        str(path),
        str(tmp_path / "out.ipynb"),
    ]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "In[3]:2:12" in found.stderr
    assert "papermill.exceptions.PapermillExecutionError" in found.stderr
    saved = nbformat.read(tmp_path / "out.ipynb", 4)
    assert [cell.metadata.papermill.status for cell in saved.cells if "papermill" in cell.metadata][
        -2:
    ] == [
        "failed",
        "pending",
    ]


def test_the_number_of_the_cell_is_the_one_beside_it() -> None:
    saved = executed("%%grade df\ngrader a = wrods(response)", allow_errors=True)
    (cell,) = saved.cells
    assert f"In[{cell.execution_count}]:2:12" in cell.outputs[0].evalue


def test_hostile_rows_are_text_in_the_notebook() -> None:
    rows = "[{'response': '<script>alert(1)</script> {{ 7*7 }} </data> \\x1b[31mred'}]"
    saved = executed(f"%%grade --model local/lexical {rows}\n{KIND}\n{BRIEF}")
    shown = saved.cells[0].outputs[-1].data["text/html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }} &lt;/data&gt; ␛[31mred" in shown
    assert "<script" not in shown


# ── an interrupt ──────────────────────────────────────────────────────────────────────────────────


class Kernel:
    """A kernel that one talks to, cell by cell."""

    def __init__(self) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(stdout=DEVNULL, stderr=DEVNULL)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def send(self, text: str) -> str:
        return str(self.client.execute(text))

    def reply(self, sent: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The reply to a cell, and its outputs as the notebook would keep them."""
        found = self.client._recv_reply(sent, timeout=60)
        outputs: list[dict[str, Any]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return dict(found["content"]), outputs
            if kind == "update_display_data":
                outputs = [
                    content if o.get("transient") == content["transient"] else o for o in outputs
                ]
            elif kind in ("display_data", "execute_result", "stream", "error"):
                outputs.append(content)

    def run(self, text: str) -> list[dict[str, Any]]:
        return self.reply(self.send(text))[1]

    def said(self, text: str) -> Any:
        """What a cell that prints a value of Python's prints."""
        return ast.literal_eval("".join(output["text"] for output in self.run(f"print({text})")))


@dataclass
class Interrupted:
    """What came of interrupting a cell of nine rows: the first few were answered, and two calls
    were in flight.
    """

    reply: dict[str, Any]
    shown: list[dict[str, Any]]
    answered: list[int]
    values: dict[str, Any] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)


def row_of(asked: Asked) -> int:
    return next(i for i in range(9) if f"row {i}" in asked.prompt)


@pytest.fixture(scope="module")
def interrupted(shared_replies: Path) -> Iterator[Interrupted]:  # noqa: ARG001 - for the kernel
    """The calls in flight are answered only after the cell was given back and another one had
    run.
    """
    in_flight = threading.Semaphore(0)

    def judge(asked: Asked) -> Told:
        late = row_of(asked) > 2
        if late:
            in_flight.release()
        return Told(body=verdict(4).body, held=late)

    with Loopback(judge) as server, Kernel() as kernel:
        try:
            kernel.run("%load_ext rmg_dsl")
            spec = f'model judge = llm("vllm/a", base_url="{server.url}", concurrency=2)\n{KIND}'
            cell = f"%%grade -o scored [{{'response': f'row {{i}}'}} for i in range(9)]\n{spec}"
            sent = kernel.send(cell)
            for _ in range(2):
                assert in_flight.acquire(timeout=60), kernel.reply(sent)
            kernel.manager.interrupt_kernel()
            found = Interrupted(
                *kernel.reply(sent), sorted({*map(row_of, server.asked)} & {0, 1, 2})
            )
            found.values["statuses"] = kernel.said("scored.df['kind_status'].tolist()")
            found.values["notes"] = kernel.said("[scored.interrupted, *scored.notes]")
            found.values["next"] = kernel.said(_NEXT)
        finally:
            server.let_go()
        kernel.run(cell)
        found.values["again"] = kernel.said("scored.df['kind'].tolist()")
        found.values["paid"] = kernel.said("[scored.usage.calls, scored.usage.cached]")
        found.asked = [*map(row_of, server.asked)]
        yield found


_NEXT = f"get_ipython().run_cell_magic('grade', '--quiet [{{\"response\": \"a\"}}]', '{BRIEF}').df['brief'].tolist()"


def test_an_interrupted_cell_keeps_the_finished_rows_while_calls_are_in_flight(
    interrupted: Interrupted,
) -> None:
    assert interrupted.answered
    assert interrupted.values["statuses"] == [
        "ok" if i in interrupted.answered else "cancelled" for i in range(9)
    ]
    assert interrupted.values["notes"] == [
        True,
        "calls in flight go on into the cache, and into no count here",
    ]


def test_an_interrupted_cell_shows_what_is_finished_and_stops_run_all(
    interrupted: Interrupted,
) -> None:
    assert (interrupted.reply["status"], interrupted.reply["ename"]) == (
        "error",
        "KeyboardInterrupt",
    )
    drawn, table, failed = interrupted.shown
    count = len(interrupted.answered)
    assert drawn["data"]["text/plain"] == f"interrupted  {count} of 9 rows  {count} calls"
    assert "The run ended early:" in table["data"]["text/html"]
    assert "`scored` has them" in failed["evalue"]
    assert len(failed["traceback"]) == 1


def test_the_cell_after_an_interrupt_works(interrupted: Interrupted) -> None:
    assert interrupted.values["next"] == [True]


def test_running_the_cell_again_pays_only_for_what_was_never_asked(
    interrupted: Interrupted,
) -> None:
    assert interrupted.values["again"] == [4] * 9
    before = len(interrupted.answered) + 2
    assert interrupted.values["paid"] == [9 - before, before]
    assert sorted(interrupted.asked) == [*range(9)]
