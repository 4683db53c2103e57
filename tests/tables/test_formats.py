"""The table of formats: every ending, known or not, at every place where a path is given."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import paths
import pytest

import rmg_dsl as rmg
from rmg_dsl.api import Options, prepare, run_stream
from rmg_dsl.api.results import Result
from rmg_dsl.errors import UsageError
from rmg_dsl.surfaces.cli import main
from rmg_dsl.tables import (
    FORMATS,
    REPORT_ENDINGS,
    check_log_ending,
    check_writable,
    open_table,
    open_writer,
    read_frame,
    write_table,
)

CASES = tomllib.loads((paths.CASES / "tables" / "endings.toml").read_text("utf-8"))
REFUSED = [*CASES["unknown"], *CASES["compressed"]]
READABLE = [ending for row in FORMATS if row.read for ending in row.endings]
WRITABLE = [ending for row in FORMATS if row.open_sink for ending in row.endings]
ALL_ENDINGS = [ending for row in FORMATS for ending in row.endings]
# On standard input: formats that their first bytes tell, and CSV, which is the rest.
SNIFFED = [
    ending for row in FORMATS for ending in row.endings if row.first_bytes or row.name == "csv"
]
SPEC = 'grader kind -> 1..5 = "How kind? {{ response }}"\n'
ROWS: list[dict[str, Any]] = [{"response": "You are welcome", "n": 1}, {"response": None, "n": 2}]


def no_call(_: object) -> NoReturn:
    raise AssertionError("a model was called")


def result() -> Result:
    return rmg.grade(SPEC, ROWS, model=rmg.ScriptedModel({"kind": 5}))


def save_stream(path: str) -> None:
    job = prepare(SPEC, ROWS, Options(model=rmg.ScriptedModel(no_call)))
    run_stream(job, [path])


def open_writers(path: str) -> None:
    with open_writer(["good.csv", path], ["a"]):
        raise AssertionError("the files were opened")


def check_run_output(path: str) -> None:
    check_writable(path, also=REPORT_ENDINGS)


# Each takes a path that does not exist, so the message shows that the ending is looked at first.
READ_PLACES: dict[str, Callable[[str], object]] = {
    "open_table": open_table,
    "read_frame": read_frame,
    "read": rmg.read,
    "grade": lambda path: rmg.grade(SPEC, path, model=rmg.ScriptedModel(no_call)),
    "plan": lambda path: rmg.loads(SPEC).plan(path),
}
WRITE_PLACES: dict[str, Callable[[str], object]] = {
    "check_writable": check_writable,
    "check_run_output": check_run_output,
    "write_table": lambda path: write_table(path, None, ROWS),
    "open_writer": open_writers,
    "run_stream": save_stream,
    "save": lambda path: result().save(path),
}
READ_COMMANDS = {
    "run": ["run", "spec.rmg", "PATH", "--model", "openai/any"],
    "plan": ["plan", "spec.rmg", "PATH"],
    "render": ["render", "spec.rmg", "PATH", "--row", "0"],
    "check": ["check", "spec.rmg", "--data", "PATH"],
}
WRITE_COMMAND = ["run", "gone.rmg", "gone.csv", "--model", "openai/any", "-o", "PATH"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.rmg").write_text("rmg 1\n\n" + SPEC, "utf-8")
    return tmp_path


def test_no_ending_has_two_formats() -> None:
    assert len(set(ALL_ENDINGS)) == len(ALL_ENDINGS)
    assert not set(ALL_ENDINGS) & {"." + ending.rpartition(".")[2] for ending in REFUSED}


@pytest.mark.parametrize("ending", REFUSED)
@pytest.mark.parametrize("place", READ_PLACES)
def test_an_unknown_ending_is_not_read(place: str, ending: str) -> None:
    with pytest.raises(UsageError) as caught:
        READ_PLACES[place](f"rows{ending}")
    check_message(str(caught.value), ending, READABLE)


@pytest.mark.parametrize("ending", REFUSED)
@pytest.mark.parametrize("place", WRITE_PLACES)
def test_an_unknown_ending_is_not_written(place: str, ending: str, folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(UsageError) as caught:
        WRITE_PLACES[place](f"out{ending}")
    check_message(str(caught.value), ending, WRITABLE)
    assert sorted(folder.iterdir()) == before


def check_message(message: str, ending: str, allowed: list[str]) -> None:
    assert [known for known in allowed if known not in message] == []
    assert ("compressed files" in message) == (ending in CASES["compressed"])
    assert ("not supported" in message) == (ending in CASES["compressed"])


@pytest.mark.parametrize("ending", REFUSED)
@pytest.mark.parametrize("command", READ_COMMANDS)
def test_a_command_does_not_read_an_unknown_ending(
    command: str, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"rows{ending}" if word == "PATH" else word for word in READ_COMMANDS[command]]
    assert main(words) == 2
    check_message(capsys.readouterr().err, ending, READABLE)


@pytest.mark.parametrize("ending", REFUSED)
def test_a_command_does_not_write_an_unknown_ending(
    ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"out{ending}" if word == "PATH" else word for word in WRITE_COMMAND]) == 2
    check_message(capsys.readouterr().err, ending, [*WRITABLE, *REPORT_ENDINGS])


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_every_ending_of_the_table_is_written(ending: str, folder: Path) -> None:
    result().save(f"saved{ending.upper()}")
    job = prepare(SPEC, ROWS, Options(model=rmg.ScriptedModel({"kind": 5})))
    run_stream(job, [f"streamed{ending}"])
    check_run_output(f"out{ending}")
    saved, streamed = folder / f"saved{ending.upper()}", folder / f"streamed{ending}"
    assert saved.read_bytes() == streamed.read_bytes()


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_every_ending_that_is_written_is_read_or_refused(ending: str) -> None:
    path = f"saved{ending}"
    result().save(path)
    if ending in READABLE:
        assert [row["n"] for row in open_table(path)] == [1, 2]
        assert rmg.read(path)["kind"].tolist()[0] == 5
        return
    with pytest.raises(UsageError, match="does not end in"):
        open_table(path)


@pytest.mark.parametrize("ending", SNIFFED)
def test_a_format_is_told_on_standard_input_by_its_first_bytes(ending: str, folder: Path) -> None:
    write_table(f"out{ending}", None, ROWS)
    with (folder / f"out{ending}").open("rb") as stream:
        assert list(open_table("-", stdin=stream)) == ROWS


@pytest.mark.parametrize("ending", [*ALL_ENDINGS, *REFUSED])
def test_a_log_is_json_lines_and_has_no_ending_of_another_format(ending: str, folder: Path) -> None:
    path = f"log{ending}"
    is_wrong = ending in CASES["compressed"] or (
        ending in ALL_ENDINGS and ending not in (".jsonl", ".ndjson")
    )
    if not is_wrong:
        check_log_ending(path)
        return
    model = rmg.ScriptedModel(no_call)
    with pytest.raises(UsageError, match=r"the log .* give it the ending \.jsonl, \.ndjson"):
        rmg.grade(SPEC, "gone.csv", model=model, log=path)
    assert not (folder / path).exists()


def test_help_and_readme_list_the_formats_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    help_text = " ".join(capsys.readouterr().out.split())
    read = [row.name for row in FORMATS if row.read]
    written = [row.name for row in FORMATS if row.open_sink]
    assert f"{', '.join(read[:-1])} or {read[-1]}; - reads" in help_text
    assert f"graded rows ({', '.join(written)}) or a report (html)" in help_text
    readme = (paths.ROOT / "README.md").read_text("utf-8")
    assert "Rows: " + ", ".join(f"`{ending}`" for ending in WRITABLE) in readme
    assert "Reports: " + ", ".join(f"`{ending}`" for ending in REPORT_ENDINGS) in readme
