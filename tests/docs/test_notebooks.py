"""The notebooks run from top to bottom in a real kernel, without a key, and say again what they
have saved.

Where what they show was changed on purpose, `python tests/test_notebooks.py` executes and saves
them anew; look at the difference before it is committed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from subprocess import DEVNULL

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient
from nbformat import NotebookNode

from rmg_dsl.tables import open_table

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
DATA = sorted(path for path in (FOLDER / "data").iterdir() if path.suffix in (".csv", ".jsonl"))
# Where it ran, when, how long it took, and where an object lay: none of that is the same twice.
PASSING = re.compile(
    re.escape(str(ROOT))
    + r"|/(?:tmp|home|root|Users)/|site-packages|0x[0-9a-f]{6,}|\d\d:\d\d:\d\d|\b\d+\.\d s\b"
)


def by_name(path: Path) -> str:
    return path.stem


def code_of(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed(notebook: NotebookNode) -> NotebookNode:
    """The notebook run from top to bottom, with nothing in it but its cells and what they show."""
    place = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=120, record_timing=False, resources=place
    )
    client.execute(stdout=DEVNULL, stderr=DEVNULL)
    notebook.metadata = {
        "kernelspec": notebook.metadata.kernelspec,
        "language_info": {"name": "python"},
    }
    for cell in code_of(notebook):
        cell.metadata.pop("execution", None)
    return notebook


@pytest.fixture(params=NOTEBOOKS, ids=by_name)
def saved(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(request.param, 4)


def test_they_are_numbered_in_the_order_of_the_way() -> None:
    assert [int(path.stem[:2]) for path in NOTEBOOKS] == [*range(1, len(NOTEBOOKS) + 1)]
    assert [path.stem for path in NOTEBOOKS[:4]] == [
        "01_quickstart",
        "02_support_reward",
        "03_mapping_and_aggregates",
        "04_your_own_judge",
    ]


def test_a_second_run_from_the_saved_state_changes_nothing(saved: NotebookNode) -> None:
    before = [(cell.execution_count, cell.outputs) for cell in code_of(saved)]
    assert any(outputs for _, outputs in before)
    assert [(cell.execution_count, cell.outputs) for cell in code_of(executed(saved))] == before


def test_what_is_saved_is_of_no_day_and_no_machine(saved: NotebookNode) -> None:
    shown = [
        json.dumps(output, ensure_ascii=False) for cell in code_of(saved) for output in cell.outputs
    ]
    assert [found.group() for text in shown for found in PASSING.finditer(text)] == []
    assert not [text for text in shown if '"name": "stderr"' in text or "<script" in text]


def test_only_a_cell_that_is_meant_to_fail_does(saved: NotebookNode) -> None:
    for cell in code_of(saved):
        failed = [output for output in cell.outputs if output.output_type == "error"]
        assert bool(failed) == ("raises-exception" in cell.metadata.get("tags", [])), cell.source


def test_each_one_is_told_and_not_only_run(saved: NotebookNode) -> None:
    assert saved.cells[0].source.startswith("# ")
    told = sum(len(cell.source) for cell in saved.cells if cell.cell_type == "markdown")
    assert told > 1_500
    links = re.findall(r"\]\((\w+\.ipynb)\)", "".join(cell.source for cell in saved.cells))
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.parametrize("path", DATA, ids=by_name)
def test_the_data_are_many_and_no_two_alike(path: Path) -> None:
    rows = [json.dumps(row, sort_keys=True) for row in open_table(path)]
    assert len(set(rows)) == len(rows) >= 40
    assert any(f"data/{path.name}" in notebook.read_text("utf-8") for notebook in NOTEBOOKS)


def test_the_reward_takes_a_tenth_of_its_python() -> None:
    program = (FOLDER / "data" / "reward_in_python.py").read_text("utf-8").strip()
    notebook = nbformat.read(FOLDER / "02_support_reward.ipynb", 4)
    spec = next(cell.source for cell in code_of(notebook) if cell.source.startswith("%%rmg")).split(
        "\n", 1
    )[1]
    assert len(spec) <= len(program) / 10
    assert len(spec.splitlines()) <= len(program.splitlines()) / 10
    (sizes,) = (
        o
        for cell in code_of(notebook)
        for o in cell.outputs
        if "RMG / Python" in str(o.get("data"))
    )
    assert f"{len(program)}  {len(spec)}" in sizes.data["text/plain"]


if __name__ == "__main__":
    for each in NOTEBOOKS:
        nbformat.write(executed(nbformat.read(each, 4)), each)
