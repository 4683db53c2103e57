"""JupyterLab and Notebook in a real browser, from the wheel: colours, a run, a mistake, completion,
help.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Notebook, browsing, chromium, installed, serving, style, write_notebook
from conftest import ROOT
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace
from spec_examples import examples

from rmg_dsl.integrations.pygments_lexer import RmgLexer

pytest.importorskip(
    "jupyterlab", reason="JupyterLab is not installed: pip install -e '.[test,lab]'"
)
pytest.importorskip(
    "playwright", reason="playwright is not installed: pip install -e '.[test,lab]'"
)
pytestmark = pytest.mark.skipif(
    chromium() is None, reason="there is no Chromium here: apt-get install chromium"
)

SETUP = """\
%load_ext rmg_dsl
import pandas as pd
df = pd.DataFrame({"query": ["Do you ship to Norway?"], "response": ["Yes."], "ground_truth": ["Yes, in 5 days."]})"""
GRADE = """\
%%grade -o scored df
model judge = llm("local/lexical")
grader correctness = std.correctness(reference = ground_truth)
grader clarity -> 1..5:
    prompt = "How clear is {{ response }}?"
aggregate brief = words(response) <= 80"""
WRONG = "%%grade df\n# a remark\ngrader brief = wrods(response) <= 80"
CELLS = (SETUP, GRADE, WRONG, "x = 1")


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("notebooks")
    write_notebook(made / "first.ipynb", *CELLS)
    (made / "support.rmg").write_text(
        (ROOT / "rmg_dsl" / "examples" / "support.rmg").read_text("utf-8"), "utf-8"
    )
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def lab(
    python: Path,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    shared_replies: Path,  # noqa: ARG001 - for the kernels of the server
) -> Iterator[str]:
    with serving(python, "jupyterlab", folder, tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture(scope="module")
def notebook(lab: str, browser: Any) -> Iterator[Notebook]:
    page = browser.new_page(viewport={"width": 1200, "height": 1400})
    found = Notebook(page, f"{lab}/lab/tree/first.ipynb?reset", len(CELLS))
    found.run(0)
    yield found
    assert [line for line in found.said if "rmg" in line.lower()] == []


def test_a_cell_is_coloured_as_rmg_and_its_prompt_as_jinja(notebook: Notebook) -> None:
    python, cell = notebook.cell(0), notebook.cell(1)
    assert style(cell, "grader") == style(cell, "aggregate") == style(python, "import")
    colours = [
        style(cell, piece)["color"]
        for piece in ("grader", "clarity", "prompt", "{{", "response", "%%grade")
    ]
    text = style(cell, "How clear is")["color"]
    assert text == style(python, "query")["color"]
    assert text not in colours
    assert len({*colours}) >= 4


def test_a_cell_is_run_and_its_table_shown(notebook: Notebook) -> None:
    shown = notebook.run(1)
    rows = shown.locator("table").first.locator("tr")
    assert [re.split(r"\s", row.inner_text())[0] for row in rows.all()][1:] == [
        "correctness",
        "clarity",
        "brief",
    ]
    assert "word-overlap baseline" in shown.inner_text()
    assert "done" in shown.inner_text()


def test_a_mistake_is_told_at_its_place(notebook: Notebook) -> None:
    shown = notebook.run(2).inner_text()
    number = notebook.cell(2).locator(".jp-InputPrompt").inner_text().strip("[]:")
    assert f"--> In[{number}]:3:16" in shown
    assert "grader brief = wrods(response) <= 80" in shown
    assert "did you mean `words`?" in shown
    assert "Traceback" not in shown


def test_a_column_is_completed_inside_of_a_prompt(notebook: Notebook) -> None:
    notebook.write(3, '%%grade df\ngrader kind -> bool = "Is {{ res', "Tab")
    box = notebook.page.locator(".jp-Completer-item")
    box.first.wait_for()
    assert box.locator(".jp-Completer-match").all_inner_texts() == ["response"]
    notebook.press("Enter")
    box.first.wait_for(state="hidden")
    assert notebook.text(3).endswith('"Is {{ response')


def test_the_words_of_the_language_are_completed(notebook: Notebook) -> None:
    notebook.write(3, "%%grade df\ngrader a = std.con", "Tab")
    box = notebook.page.locator(".jp-Completer-item")
    box.first.wait_for()
    assert box.locator(".jp-Completer-match").all_inner_texts() == ["conciseness"]
    assert box.locator(".jp-Completer-typeExtended").all_inner_texts() == ["grader"]
    notebook.press("Escape")


def test_a_word_is_explained(notebook: Notebook) -> None:
    notebook.write(3, "%%grade df\ngrader brief = words", "Shift+Tab")
    tip = notebook.page.locator(".jp-Tooltip")
    tip.wait_for()
    assert tip.inner_text().startswith("words(text): a function of one row")
    notebook.press("Escape")


def test_colours_follow_the_first_line(notebook: Notebook) -> None:
    notebook.write(3, "%%grade df\nrequire mean(a) > 1")
    cell = notebook.cell(3)
    keyword = style(cell, "require")
    notebook.press("Control+Home", "Delete")
    cell.locator(".cm-line span", has_text=re.compile("^require$")).wait_for(state="detached")
    notebook.page.keyboard.insert_text("%")
    assert style(cell, "require") == keyword
    notebook.write(3, "import this")
    assert style(cell, "import") == keyword


def test_a_file_is_coloured(lab: str, browser: Any) -> None:
    page = browser.new_page()
    page.set_default_timeout(180_000)
    page.goto(f"{lab}/lab/tree/support.rmg?reset")
    file = page.locator(".jp-FileEditor")
    looks = [style(file, piece) for piece in ("grader", "relevance", "local/lexical", "rouge_l")]
    assert len({look["color"] for look in looks}) >= 3
    assert looks[0]["weight"] == "700"
    page.locator("#jp-main-statusbar").get_by_text("rmg", exact=True).wait_for()


def test_notebook_7_has_the_same(python: Path, folder: Path, browser: Any, tmp_path: Path) -> None:
    with serving(python, "notebook", folder, tmp_path) as address:
        found = Notebook(browser.new_page(), f"{address}/notebooks/first.ipynb", len(CELLS))
        assert style(found.cell(1), "grader") == style(found.cell(0), "import")
        found.run(0)
        assert "word-overlap baseline" in found.run(1).inner_text()
        found.page.close()


# ── the mode itself ───────────────────────────────────────────────────────────────────────────────

# How the two call the same: what Pygments says of a piece, and the style that the mode gives it.
SAME = {
    Keyword.Declaration: {"keyword"},
    Keyword.Type: {"keyword"},
    Keyword.Constant: {"bool"},
    Keyword: {"keyword"},
    Operator.Word: {"keyword"},
    Operator: {"operator", "number"},
    Name.Class: {"variableName.definition"},
    Name.Attribute: {"propertyName", "attributeName"},
    Name.Builtin: {"variableName.standard"},
    Name.Namespace: {"variableName.standard"},
    Name.Function: {"variableName.standard", "variableName"},
    Name.Property: {"propertyName"},
    Name.Variable: {"variableName", "variableName.special"},
    Name: {"variableName"},
    Number: {"number"},
    String.Doc: {"docComment"},
    String.Escape: {"string.special"},
    String.Affix: {"keyword"},
    String: {"string"},
    Comment.Single: {"comment"},
    Comment.Multiline: {"comment"},
    Comment.Preproc: {"meta"},
    Punctuation: {"punctuation", "bracket"},
}


def test_the_mode_reads_specs_as_the_lexer_does(browser: Any) -> None:
    page = browser.new_page()
    page.add_script_tag(
        path=ROOT / "grammar" / "editors" / "jupyterlab" / "static" / "remoteEntry.js"
    )
    read = "async text => (await window._JUPYTERLAB['rmg-dsl'].get('./tokens'))()(text)"
    for text in examples():
        styles: list[str | None] = [None] * len(text)
        for start, end, name in page.evaluate(read, text):
            styles[start:end] = [name] * (end - start)
        for start, kind, piece in RmgLexer().get_tokens_unprocessed(text):
            for at, letter in enumerate(piece, start):
                fits = letter.isspace() or kind is Whitespace or styles[at] in SAME[kind]
                assert fits, f"{piece!r} is {kind} and {styles[at]} in\n{text}"
