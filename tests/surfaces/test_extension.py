"""`%load_ext rmg_dsl` in real shells and kernels: completion in cells, help, colours; and
`%unload_ext`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from prompt_toolkit.document import Document
from traitlets.config import Config

import rmg_dsl as rmg
from rmg_dsl.surfaces.completing import CellCompletions, columns_of, complete_cell
from rmg_dsl.surfaces.option_line import GRADE_FLAGS

ROWS = [{"query": "Why?", "response": "So."}]
NAMES: dict[str, object] = {"df": ROWS, "other": 3, "_hidden": ROWS, "In": []}


def found(text: str, names: dict[str, object] | None = None) -> CellCompletions:
    return complete_cell(text.replace("│", ""), text.index("│"), NAMES if names is None else names)


def labels(text: str, names: dict[str, object] | None = None) -> list[str]:
    return [each.text for each in found(text, names).completion_items]


# ── the option line ───────────────────────────────────────────────────────────────────────────────


def test_after_the_magic_come_the_rows_other_names_and_options() -> None:
    assert labels("%%grade │") == ["df", "other", *GRADE_FLAGS]
    assert labels("%%grade -o x d│\ngrader a = words(query)") == ["df"]
    assert labels("%%grade df.│") == []  # Python's own completion knows more
    assert not found("%%grade df.│").is_exclusive


def test_options_that_stand_there_are_not_offered_again_unless_they_may_be() -> None:
    assert "--limit" in labels("%%grade --│")
    assert "--limit" not in labels("%%grade --limit 5 --│")
    assert "--model" in labels("%%grade --model local/lexical --│")
    assert labels("%%rmg -│") == ["-o"]


def test_the_value_of_an_option() -> None:
    judge = rmg.ScriptedModel({})
    assert labels("%%grade --model l│", {"little": judge}) == [
        "little",
        "local/lexical",
        "llamacpp/",
        "lmstudio/",
    ]
    assert labels("%%grade --limit │") == []


def test_a_line_names_a_file_or_a_suite_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "support.rmg").write_text("rmg 1\n", "utf-8")
    names = {**NAMES, "suite": rmg.loads("grader brief = words(response) <= 80")}
    assert labels("%grade s│", names) == ["suite", "support.rmg"]
    assert labels("x = %grade -o y support.rmg d│", names) == ["df"]
    assert labels("y = 1\n%grade suite o│\nz = 2", names) == ["other"]


# ── the cell ──────────────────────────────────────────────────────────────────────────────────────


def test_the_columns_are_those_of_the_rows_that_the_magic_names() -> None:
    prompt = '\ngrader kind -> bool = "Is {{ │ }} kind?"'
    assert labels(f"%%grade -o x df{prompt}") == ["query", "response"]
    assert labels(f'%%grade df[df.lang == "en"].head(50){prompt}') == ["query", "response"]
    assert labels(f"%%grade [{{'answer': 1}}]{prompt}") == ["answer"]
    assert labels(f"\n\n%%grade df{prompt}") == ["query", "response"]
    assert labels(f"%%grade unheard_of(df){prompt}") == []


def test_without_rows_the_only_frame_is_meant() -> None:
    prompt = '\ngrader kind -> bool = "Is {{ │ }} kind?"'
    assert labels(f"%%rmg -o suite{prompt}") == ["query", "response"]
    assert labels(f"%%grade{prompt}", {"df": ROWS, "two": [{"answer": 1}]}) == []


def test_the_columns_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("question,answer\n1,2\n", "utf-8")
    assert labels(f'%%grade "{tmp_path}/rows.csv"\ngrader a = words(│')[:2] == [
        "question",
        "answer",
    ]
    assert labels(f'%%grade "{tmp_path}/none.csv"\ngrader a -> bool = "{{{{ │') == []


def test_the_columns_of_a_frame_and_of_a_result() -> None:
    result = rmg.grade("grader brief = words(response) <= 2", ROWS)
    assert columns_of(pd.DataFrame({"response": ["a b"], 7: [1]})) == ["response"]
    assert (
        columns_of(pl.DataFrame(ROWS))
        == columns_of(pa.Table.from_pylist(ROWS))
        == ["query", "response"]
    )
    assert columns_of(pl.LazyFrame(ROWS)) is None
    assert columns_of(result) == ["query", "response", "brief", "brief_reason", "brief_status"]
    assert columns_of("a text") is None


def test_other_cells_are_left_alone() -> None:
    assert found("df.│") == CellCompletions(start=3)
    assert found("%%timeit\ngra│") == CellCompletions(start=12)


# ── in a shell ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config)
    made.run_cell("%load_ext rmg_dsl").raise_error()
    made.user_ns["df"] = ROWS
    yield made
    made.restore_sys_module_state()


def asked(shell: InteractiveShell, text: str) -> list[tuple[str, str]]:
    with provisionalcompleter():
        given = shell.Completer.completions(text.replace("│", ""), text.index("│"))
        return [(each.text, each.type or "") for each in given]


def test_a_shell_offers_our_words_alone_each_with_a_line(shell: InteractiveShell) -> None:
    assert asked(shell, "%%grade df\ngra│") == [("grader", "keyword: a way to score one row")]
    assert asked(shell, '%%grade df\ngrader a -> bool = "Is {{ res│ }}?"') == [
        ("response", "column")
    ]
    library = dict(asked(shell, "%%grade df\ngrader a = std.con│"))
    assert library["conciseness"].startswith("grader: Does the response say what is needed")


def test_where_nothing_fits_no_names_of_python_come_in(shell: InteractiveShell) -> None:
    assert asked(shell, "%%grade df\ngrader pri│") == [("pri", "text")]
    assert ("print", "function") in asked(shell, "pri│")


def test_loading_twice_is_loading_once_and_unloading_leaves_nothing(
    shell: InteractiveShell,
) -> None:
    before = len(shell.Completer.custom_matchers)
    shell.run_cell("%reload_ext rmg_dsl").raise_error()
    assert len(shell.Completer.custom_matchers) == before
    shell.run_cell("%unload_ext rmg_dsl").raise_error()
    assert len(shell.Completer.custom_matchers) == before - 1
    assert not {"grade", "rmg", "rmg_help"} & {
        *shell.magics_manager.magics["line"],
        *shell.magics_manager.magics["cell"],
    }
    assert ("grader", "keyword: a way to score one row") not in asked(shell, "%%grade df\ngra│")


def test_help_by_a_magic(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_cell("%rmg_help {missing}")
    assert "there is no help on `{missing}`" in capsys.readouterr().out
    shell.run_cell("%rmg_help missing").raise_error()
    assert "what happens where a part has no score" in capsys.readouterr().out
    failed = shell.run_cell("%rmg_help wieghted").error_in_exec
    assert "did you mean `weighted`" in str(failed)
    assert "Traceback" not in capsys.readouterr().out


def test_cells_are_coloured_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    config.TerminalInteractiveShell.simple_prompt = True
    made = TerminalInteractiveShell(config=config)
    made.run_cell("%load_ext rmg_dsl").raise_error()
    document = Document("%%grade df\ngrader kind -> bool")
    coloured = made._extra_prompt_options()["lexer"].lex_document(document)(1)
    assert ("class:pygments.keyword.declaration", "grader") in coloured
    made.run_cell("%unload_ext rmg_dsl").raise_error()
    plain = made._extra_prompt_options()["lexer"].lex_document(document)(1)
    assert ("class:pygments.keyword.declaration", "grader") not in plain
    made.restore_sys_module_state()


# ── in a kernel ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel(kernel_name="python3")
    client.execute_interactive(f"%load_ext rmg_dsl\ndf = {ROWS}", timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def answer(kernel: BlockingKernelClient, message: str) -> dict[str, Any]:
    reply = kernel.get_shell_msg(timeout=60)
    while reply["parent_header"]["msg_id"] != message:
        reply = kernel.get_shell_msg(timeout=60)
    return dict(reply["content"])


def test_a_kernel_completes_a_column_inside_of_a_prompt(kernel: BlockingKernelClient) -> None:
    text = '%%grade df\ngrader kind -> 1..5 = "How kind is {{ res }}?"'
    reply = answer(kernel, kernel.complete(text, text.index(" }}")))
    assert reply["matches"] == ["response"]
    assert text[reply["cursor_start"] : reply["cursor_end"]] == "res"
    (kind,) = reply["metadata"]["_jupyter_types_experimental"]
    assert kind["type"] == "column"


def test_a_kernel_tells_what_a_word_means(kernel: BlockingKernelClient) -> None:
    text = "%%grade df\ngrader brief = words(response) <= 80"
    reply = answer(kernel, kernel.inspect(text, text.index("words") + 2))
    assert reply["found"]
    assert reply["data"]["text/plain"].startswith("words(text): a function of one row")
    own = answer(kernel, kernel.inspect("df", 1))
    assert "list" in own["data"]["text/plain"]
