"""The command line and Python under hostile circumstances: signals, closed streams, full disks,
functions of the caller that hang, exit or grade themselves.
"""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from loopback import Loopback, Told, verdict

import rmg_dsl as rmg

GRADER = 'rmg 1\n\ngrader good -> 1..5 = "How good? {{ response }}"\n'
WORDS = "rmg 1\n\ngrader long = words(response)\n"
ROWS = [{"response": "a"}, {"response": "b c"}]
ROW_LINES = '{"response": "a"}\n{"response": "b c"}\n'


# Signals and streams


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_end_keeps_the_finished_rows(rmg_command: Command, name: str) -> None:
    if not hasattr(signal, name):
        pytest.skip(f"this system has no {name}")
    rmg_command.write({"s.rmg": GRADER, "d.jsonl": ROW_LINES})
    # The first call is answered, the second one never: the signal comes between.
    with Loopback([verdict(4), Told(fault="hang")]) as server:
        run = rmg_command.start(
            "run", "s.rmg", "d.jsonl", "-o", "out.jsonl", "--model", "openai/m",
            "--concurrency", "1", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="x",
        )  # fmt: skip
        server.wait_for(2)
        run.send_signal(getattr(signal, name))
        run.communicate(timeout=60)
    assert run.returncode == 130
    lines = (rmg_command.folder / "out.jsonl").read_text().splitlines()
    assert ['"ok"' in line for line in lines] == [True, False]
    assert not list(rmg_command.folder.glob(".rmg-*"))


CLOSING = "import os, sys; os.close({number}); os.execv(sys.executable, [sys.executable, *{words}])"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_process_without_a_stream_writes_its_file(rmg_command: Command, number: int) -> None:
    rmg_command.write({"s.rmg": WORDS, "d.jsonl": ROW_LINES})
    words = rmg_command.words("run", "s.rmg", "d.jsonl", "-o", "out.jsonl")[1:]
    run = subprocess.run(
        [sys.executable, "-c", CLOSING.format(number=number, words=words)],
        cwd=rmg_command.folder,
        env=rmg_command.environment(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0
    assert b"Traceback" not in run.stderr + run.stdout
    assert len((rmg_command.folder / "out.jsonl").read_text().splitlines()) == 2


def test_a_row_makes_no_lines_of_its_own(rmg_command: Command) -> None:
    forged = "x\\n::error file=app.py::forged\\nrequire share(g) >= 0.9: holds"
    rmg_command.write({"s.rmg": WORDS, "d.jsonl": f'{{"response": "{forged}"}}\n'})
    run = rmg_command("run", "s.rmg", "d.jsonl", "--by", "response")
    starts = ("::error", "require")
    assert not [line for line in run.stdout.splitlines() if line.startswith(starts)]


# Files


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--log", "d.jsonl"], "--log d.jsonl would overwrite the data"),
        (["--log", "s.rmg"], "s.rmg"),
        (["--log", "./sub/../d.jsonl"], "would overwrite the data"),
        (["--log", "link.jsonl"], "would overwrite the data"),
        (["-o", "d.jsonl"], "-o d.jsonl would overwrite the data"),
        (["-o", "out.jsonl", "--log", "out.jsonl"], "would overwrite -o out.jsonl"),
        (["-o", "out.jsonl", "-o", "./out.jsonl"], "would overwrite -o out.jsonl"),
    ],
)
def test_no_output_replaces_what_the_run_reads(
    rmg_command: Command, flags: list[str], says: str
) -> None:
    rmg_command.write({"s.rmg": WORDS, "d.jsonl": ROW_LINES, "sub/x": ""})
    (rmg_command.folder / "link.jsonl").symlink_to("d.jsonl")
    run = rmg_command("run", "s.rmg", "d.jsonl", *flags)
    assert run.returncode == 2
    assert says in run.stderr
    assert (rmg_command.folder / "d.jsonl").read_text() == ROW_LINES
    assert (rmg_command.folder / "s.rmg").read_text() == WORDS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_log_on_a_full_disk_costs_no_row(rmg_command: Command) -> None:
    rmg_command.write({"s.rmg": GRADER, "d.jsonl": ROW_LINES})
    with Loopback(verdict(4)) as server:
        run = rmg_command(
            "run", "s.rmg", "d.jsonl", "-o", "out.jsonl", "--log", "/dev/full",
            "--model", "openai/m", OPENAI_BASE_URL=server.url, OPENAI_API_KEY="x",
        )  # fmt: skip
    assert run.returncode == 0
    assert "the log /dev/full cannot be written: no space left on device" in run.stdout
    assert (rmg_command.folder / "out.jsonl").read_text().count('"ok"') == 2


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("boom:f", "ZeroDivisionError: division by zero"),
        ("leaves:f", "SystemExit: 3"),
        ("..boom:f", "the whole name of the module"),
        ("boom.x:f", "cannot be imported"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_message(
    rmg_command: Command, target: str, says: str
) -> None:
    spec = f'rmg 1\n\ngrader a -> 0.0..1.0 = python("{target}", x = response)\n'
    files = {"boom.py": "1 / 0\n", "leaves.py": "raise SystemExit(3)\n"}
    rmg_command.write({"s.rmg": spec, "d.jsonl": ROW_LINES, **files})
    module = target.partition(":")[0]
    run = rmg_command("run", "s.rmg", "d.jsonl", "--allow-python", module)
    assert run.returncode == 2
    assert says in run.stderr


# Functions of the caller


def forever(**_: object) -> float:
    threading.Event().wait()
    return 0.0


def test_a_function_that_hangs_ends_by_its_timeout() -> None:
    spec = """
grader slow -> 0.0..1.0:
    score = python("mine:slow", x = response)
    timeout = 1

grader long = words(response)
"""
    result = rmg.grade(spec, ROWS, functions={"mine:slow": forever})
    assert result.df["slow_status"].tolist() == ["error", "error"]
    assert "did not return within 1 s" in result.failures["message"][0]
    assert result.df["long"].tolist() == [1, 2]


def test_a_function_that_hangs_ends_by_the_first_interrupt(rmg_command: Command) -> None:
    rmg_command.write(
        {
            "s.rmg": 'rmg 1\n\ngrader a -> 0.0..1.0 = python("mine:hang", x = response)\n',
            "mine.py": "import time\ndef hang(x):\n    print('here', flush=True)\n"
            "    time.sleep(600)\n",
            "d.jsonl": ROW_LINES,
        }
    )
    run = rmg_command.start("run", "s.rmg", "d.jsonl", "-o", "o.jsonl", "--allow-python", "mine")
    assert run.stdout is not None
    assert run.stdout.readline() == "here\n"
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert (rmg_command.folder / "o.jsonl").read_text().count("cancelled") == 2


def count_words(text: str) -> float:
    frame = rmg.grade("grader w = words(x)", [{"x": text}], progress=False).df
    return float(frame["w"][0])


def test_a_function_of_a_run_may_grade_itself() -> None:
    result = rmg.grade("grader z = f(response)", ROWS, functions={"f": count_words})
    assert result.df["z"].tolist() == [1, 2]


def test_on_row_may_grade_itself() -> None:
    counts: list[float] = []
    rmg.grade(WORDS, ROWS, on_row=lambda row: counts.append(count_words(row["response"])))
    assert counts == [1, 2]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_on_row_may_end_the_process(error: BaseException) -> None:
    def leave(_: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        rmg.grade(WORDS, ROWS, on_row=leave)
    assert rmg.grade(WORDS, ROWS).df["long"].tolist() == [1, 2]


def test_a_function_may_end_the_process() -> None:
    def leave(_: str) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rmg.grade("grader z = f(response)", ROWS, functions={"f": leave})


# Results


def test_a_result_pickles(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(ROW_LINES)
    for data in (ROWS, path, rmg.grade(WORDS, ROWS).df[["response"]]):
        result = rmg.grade(WORDS, data)
        again = pickle.loads(pickle.dumps(result))
        assert str(again) == str(result)
        assert again.df.equals(result.df)


def test_huge_scores_have_a_summary_and_a_page(tmp_path: Path) -> None:
    spec = "grader g = x * 1\n\nrequire stdev(g) >= 0"
    for values in ([1e308, 1e308, 1], [1.7e308, -1.7e308, 1.7e308], [5e-324, 0, 1e308]):
        result = rmg.grade(spec, [{"x": value} for value in values])
        assert str(result)
        result.save(tmp_path / "page.html")
