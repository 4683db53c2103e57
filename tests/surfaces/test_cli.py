"""The `rmg` command as people run it: real processes, a loopback judge that counts, and exit
codes.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import threading
import tomllib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paths
import pytest
from conftest import Command, NewCache
from loopback import Asked, Loopback, Told, chat, deserted_url, error, verdict

import rmg_dsl as rmg

CASES = paths.CASES / "cli"
SPEC = 'grader relevance -> 1..5 = "Q: {{ query }} A: {{ response }}"\n'
GOOD = "rmg 1\n\ngrader brief = words(response) <= 3\n"
BRIEF = ["brief", "brief_reason", "brief_status"]
KEY = "sk-very-secret-0123456789"
DATA = "query,response\nfirst,alpha beta gamma delta\nsecond,b\nthird,c\n"


def table(name: str) -> list[Any]:
    rows = tomllib.loads((CASES / f"{name}.toml").read_text("utf-8"))["case"]
    return [pytest.param(row, id=row["name"]) for row in rows]


def judge(says: Any) -> Told | Callable[[Asked], Told]:
    """What the server answers: a verdict, prose, a status, or a verdict for one row and prose for
    the others.
    """
    if isinstance(says, list):
        word, prose = says
        return lambda asked: verdict(4) if word in asked.prompt else chat(prose)
    if isinstance(says, str) and says.startswith("HTTP "):
        return error(int(says.removeprefix("HTTP ")), "this is what the server says")
    return chat(says) if isinstance(says, str) else verdict(says)


def spec_of(case: dict[str, Any]) -> str:
    settings = case.get("more_settings")
    model = f'model judge = llm("openai/declared", {settings})\n' if settings else ""
    return case.get("spec", model + SPEC) + case.get("more", "")


# ── rmg run ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Ended:
    """A run that is over: the folder it ran in, what it wrote, the calls it made, the endpoint that
    nobody serves.
    """

    folder: Path
    process: subprocess.CompletedProcess[str]
    calls: int
    dead: str


def ended(case: dict[str, Any], folder: Path, cache: Path, port: int = 0) -> Ended:
    """Run a case in a folder, with a cache of its own and a server at a port (0: any free one)."""
    command = Command(folder, {"RMG_CACHE_DIR": str(cache)})
    command.write({"spec.rmg": spec_of(case), "data.csv": case.get("data", DATA), "data.txt": DATA})
    model = ["--model", "openai/any"] if case.get("model", True) else []
    words = case.get("command", ["run", "spec.rmg", "data.csv", *model, *case.get("flags", [])])
    dead = deserted_url()
    with Loopback(judge(case.get("says", 4)), port) as server:
        env = {name: value.format(dead=dead) for name, value in case.get("env", {}).items()}
        found = command(*words, **{"OPENAI_BASE_URL": server.url, **env})
    return Ended(folder, found, len(server.asked), dead)


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_cache: NewCache,
) -> dict[str, Future[Ended]]:
    """The selected cases of the table, as many at a time as there are cores: most of a run is a
    process that starts.
    """
    wanted = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    cases = [params["run"] for params in wanted if "run" in params]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {
            case["name"]: pool.submit(ended, case, tmp_path_factory.mktemp("run"), new_cache())
            for case in cases
        }


@pytest.mark.parametrize("run", table("run"))
def test_a_run_ends_as_it_should(run: dict[str, Any], runs: dict[str, Future[Ended]]) -> None:
    found = runs[run["name"]].result()
    out, err = found.process.stdout, found.process.stderr
    assert found.process.returncode == run["exit"], out + err
    assert found.calls == run.get("calls", found.calls)
    _check_output(run, out, err, found.dead)
    assert all((found.folder / name).exists() for name in run.get("written", []))
    assert not any((found.folder / name).exists() for name in run.get("missing", []))
    assert not list(found.folder.glob(".rmg-*"))


def test_runs_of_the_table_share_no_reply(tmp_path: Path, new_cache: NewCache) -> None:
    """The address is part of a reply's key, and a port that is free again serves another run."""
    (case,) = [row.values[0] for row in table("run") if row.id == "the first rows"]
    with Loopback(verdict(4)) as server:
        port = server.port
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        found.append(ended(case, tmp_path / name, new_cache(), port))
    assert [run.calls for run in found] == [2, 2]


def _check_output(case: dict[str, Any], out: str, err: str, dead: str) -> None:
    assert [text for text in case.get("stdout", []) if text not in out] == []
    assert [text for text in case.get("not_stdout", []) if text in out] == []
    assert [text for text in case.get("stderr", []) if text.format(dead=dead) not in err] == []
    if case.get("stderr") == []:
        assert err == ""
    if case.get("no_stdout"):
        assert out == ""


# ── interrupts ──


def rows(n: int) -> str:
    return "query,response\n" + "".join(f"q{i},answer {i}\n" for i in range(n))


class Watched:
    """A judge that says when it has been asked `after` times."""

    def __init__(self, after: int, told: Told) -> None:
        self.reached = threading.Event()
        self._after, self._told, self._asked = after, told, 0

    def __call__(self, _: Asked) -> Told:
        self._asked += 1
        if self._asked == self._after:
            self.reached.set()
        return self._told


def test_an_interrupt_writes_what_is_finished(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(200)})
    judge = Watched(7, Told(body=verdict(4).body, delay=0.1))
    words = (
        "run",
        "spec.rmg",
        "data.csv",
        "--model",
        "openai/any",
        "--concurrency",
        "2",
        "-o",
        "out.jsonl",
        "--json",
    )
    with (
        Loopback(judge) as server,
        rmg_command.start(*words, OPENAI_BASE_URL=server.url) as process,
    ):
        assert judge.reached.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the run ended early: interrupted" in err
    written = [
        json.loads(line)
        for line in (rmg_command.folder / "out.jsonl").read_text("utf-8").splitlines()
    ]
    statuses = Counter(row["relevance_status"] for row in written)
    assert len(written) == 200
    assert statuses.keys() == {"ok", "cancelled"}
    assert 5 <= statuses["ok"] == len(server.asked) < 200
    assert json.loads(out)["stopped"] == "interrupted"
    assert [row["query"] for row in written] == [f"q{i}" for i in range(200)]


def test_a_second_interrupt_leaves_at_once(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(5)})
    judge = Watched(1, Told(fault="hang"))
    words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "-o", "out.csv")
    with (
        Loopback(judge) as server,
        rmg_command.start(*words, OPENAI_BASE_URL=server.url) as process,
    ):
        assert judge.reached.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "Ctrl-C again" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert sorted(path.name for path in rmg_command.folder.iterdir()) == ["data.csv", "spec.rmg"]


# ── terminals ──


def on_a_terminal(command: Command, *words: str, **variables: str) -> str:
    """All that a process writes where both its outputs are a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command.words(*words),
        cwd=command.folder,
        env=command.environment({"TERM": "xterm", **variables}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    written = b""
    with (
        contextlib.suppress(OSError),
        open(ours, "rb", buffering=0) as stream,
    ):  # it ends with EIO on Linux
        while block := stream.read(4096):
            written += block
    assert process.wait(60) in (0, 1)
    return written.decode()


def test_progress_stands_on_a_terminal_and_nowhere_else(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(6)})
    words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "--concurrency", "2")
    with Loopback(Told(body=verdict(4).body, delay=0.15)) as server:
        shown = on_a_terminal(rmg_command, *words, OPENAI_BASE_URL=server.url)
        quiet = on_a_terminal(rmg_command, *words, "--quiet", OPENAI_BASE_URL=server.url)
    assert "/6 rows" in shown
    assert "rows/s" in shown
    assert "relevance" in shown
    assert quiet == ""  # where it is no terminal, the table of runs sees to it


def test_colours_stand_on_a_terminal_that_wants_them(rmg_command: Command) -> None:
    rmg_command.write({"three.rmg": (CASES / "check" / "three.rmg").read_bytes()})
    assert "\x1b[1;31m" in on_a_terminal(rmg_command, "check", "three.rmg")
    assert "\x1b" not in on_a_terminal(rmg_command, "check", "three.rmg", NO_COLOR="1")
    assert "\x1b" not in rmg_command("check", "three.rmg").stdout


def test_a_terminal_without_our_characters_gets_escapes(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": "grader brief = words(response) <= 3", "data.csv": DATA})
    found = rmg_command("run", "spec.rmg", "data.csv", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert found.returncode == 0
    assert "\\u2013" in found.stdout


def test_a_reader_that_has_seen_enough_is_no_error(rmg_command: Command) -> None:
    with rmg_command.start("std") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) in (0, 141)
        assert process.stderr is not None
        assert process.stderr.read() == ""


# ── traffic ──


@pytest.mark.parametrize("concurrency", [5, 32])
def test_no_more_calls_are_in_flight_than_were_allowed(
    concurrency: int, rmg_command: Command
) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(96)})
    words = (
        "run",
        "spec.rmg",
        "data.csv",
        "--model",
        "openai/any",
        "--json",
        "--concurrency",
        concurrency,
    )
    with Loopback(Told(body=verdict(4).body, delay=0.05)) as server:
        found = rmg_command(*map(str, words), OPENAI_BASE_URL=server.url)
    assert found.returncode == 0
    assert server.peak == concurrency
    assert json.loads(found.stdout)["usage"]["calls"] == 96 == len(server.asked)


def test_a_busy_server_is_asked_again_and_every_attempt_counts(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": rows(1)})
    busy = error(503, "busy", headers={"retry-after": "0"})
    with Loopback([busy, busy, verdict(3)]) as server:
        words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "--json")
        found = rmg_command(*words, OPENAI_BASE_URL=server.url)
    report = json.loads(found.stdout)
    assert report["usage"]["calls"] == 3
    assert report["usage"]["retried"] == 2
    assert report["summary"][0]["mean"] == 3


# ── data in and out ──


def test_every_output_is_written_and_nothing_else_is_on_stdout(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": "grader brief = words(response) <= 3", "data.csv": DATA})
    names = [f"out.{ending}" for ending in ("csv", "tsv", "jsonl", "json", "parquet")]
    found = rmg_command(
        "run", "spec.rmg", "data.csv", "--json", *(word for name in names for word in ("-o", name))
    )
    assert found.returncode == 0
    report = json.loads(found.stdout)
    assert set(report) == {"summary", "usage", "require", "validate", "notes", "stopped"}
    assert {"calls", "cached", "retried", "tokens_in", "tokens_out", "cost", "seconds"} <= set(
        report["usage"]
    )
    assert report["summary"][0]["name"] == "brief"
    assert found.stderr == ""
    frames = [rmg.read(rmg_command.folder / name) for name in names]
    assert all(frame["brief"].tolist() == [False, True, True] for frame in frames)
    assert all(list(frame.columns) == ["query", "response", *BRIEF] for frame in frames)


@pytest.mark.parametrize(
    "text",
    [DATA, '[{"query": "q", "response": "a b c d"}]', '{"query": "q", "response": "a b c d"}\n'],
)
def test_standard_input_is_data(text: str, rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": "grader brief = words(response) <= 3"})
    found = rmg_command("run", "spec.rmg", "-", "-o", "out.jsonl", input=text)
    assert found.returncode == 0
    first = json.loads((rmg_command.folder / "out.jsonl").read_text("utf-8").splitlines()[0])
    assert first["brief"] is False


def test_a_log_holds_what_was_said_and_no_key(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": SPEC, "data.csv": DATA})
    with Loopback(lambda asked: chat("hm") if "beta" in asked.prompt else verdict(2)) as server:
        words = (
            "run",
            "spec.rmg",
            "data.csv",
            "--model",
            "openai/any",
            "--log",
            "log.jsonl",
            "-o",
            "out.csv",
            "--json",
        )
        found = rmg_command(*words, OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY)
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    text = (rmg_command.folder / "log.jsonl").read_text("utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    assert len(entries) == 4
    assert [e["reply"] for e in entries if e["row"] == 0] == ["hm", "hm"]
    assert [e["again"] for e in entries if e["row"] == 0] == [False, True]
    assert all(e["raw"]["choices"] and e["messages"] for e in entries)
    written = (rmg_command.folder / "out.csv").read_text("utf-8")
    assert KEY not in text + found.stdout + found.stderr + written


# ── rmg check ──


THREE = [("RMG401", 6, 39, 6, 45), ("RMG204", 8, 16, 8, 21), ("RMG215", 10, 39, 10, 44)]


@pytest.fixture
def three(rmg_command: Command) -> Command:
    rmg_command.write({"three.rmg": (CASES / "check" / "three.rmg").read_bytes(), "good.rmg": GOOD})
    return rmg_command


def test_a_check_tells_every_mistake_at_its_place(three: Command) -> None:
    found = three("check", "three.rmg")
    assert found.returncode == 1
    assert [f"three.rmg:{line}:{column}" in found.stdout for _, line, column, *_ in THREE] == [
        True
    ] * 3
    assert found.stdout.endswith("\n3 errors\n")
    assert found.stderr == ""


@pytest.mark.parametrize("flag", ["--json", "--format=json"])
def test_a_check_as_json(flag: str, three: Command) -> None:
    found = three("check", flag, "three.rmg")
    told = json.loads(found.stdout)["diagnostics"]
    keys = "code severity message file line column end_line end_column help fixes".split()
    assert found.returncode == 1
    assert [list(d) for d in told] == [keys] * 3
    assert [
        (d["code"], d["line"], d["column"], d["end_line"], d["end_column"]) for d in told
    ] == THREE
    fix = {
        "title": "write `answer`",
        "line": 6,
        "column": 39,
        "end_line": 6,
        "end_column": 45,
        "text": "answer",
    }
    assert told[0]["fixes"] == [fix]


def test_a_check_for_github_and_for_code_scanning(three: Command) -> None:
    github = three("check", "--format", "github", "three.rmg").stdout.splitlines()
    places = [
        f"line={a},col={b},endLine={c},endColumn={d},title={code}::" for code, a, b, c, d in THREE
    ]
    assert [
        f"::error file=three.rmg,{place}" in line
        for line, place in zip(github, places, strict=True)
    ] == [True] * 3
    sarif = json.loads(three("check", "--format", "sarif", "three.rmg").stdout)
    assert sarif["version"] == "2.1.0"
    regions = [r["locations"][0]["physicalLocation"]["region"] for r in sarif["runs"][0]["results"]]
    assert [tuple(region.values()) for region in regions] == [place[1:] for place in THREE]


def test_a_clean_spec_is_checked_in_silence(three: Command) -> None:
    found = three("check", "good.rmg")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert json.loads(three("check", "good.rmg", "--json").stdout) == {"diagnostics": []}


def test_many_specs_are_checked_and_one_that_is_not_there_hides_no_mistake(three: Command) -> None:
    found = three("check", "good.rmg", "nowhere.rmg", "three.rmg")
    assert found.returncode == 2
    assert "nowhere.rmg: cannot be read" in found.stderr
    assert "3 errors" in found.stdout


def test_a_check_with_data_knows_its_columns(rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": "rmg 1\n\n" + SPEC, "data.csv": "query,answer\nq,a\n"})
    assert rmg_command("check", "spec.rmg").returncode == 0
    found = rmg_command("check", "spec.rmg", "--data", "data.csv")
    assert found.returncode == 1
    assert "error[RMG501]: the data has no column `response`" in found.stdout
    assert rmg_command("check", "spec.rmg", "--data", "nowhere.csv").returncode == 2


def test_imports_count_from_the_file_that_names_them(rmg_command: Command) -> None:
    main = 'rmg 1\n\nfrom "shared/safety.rmg" import harmless\n\naggregate reward = weighted(harmless)\n'
    shared = 'rmg 1\n\nfrom "more.rmg" import safe\n\ngrader harmless = safe\n'
    more = 'rmg 1\n\ngrader safe -> bool = "Is this safe? {{ response }}"\n'
    rmg_command.write(
        {"specs/main.rmg": main, "specs/shared/safety.rmg": shared, "specs/shared/more.rmg": more}
    )
    found = rmg_command("check", "specs/main.rmg")
    assert found.returncode == 0, found.stdout
    rmg_command.write(
        {"specs/shared/more.rmg": more.replace("response", "respones }} {{ respones")}
    )
    rmg_command.write({"specs/shared/safety.rmg": shared.replace("= safe", "= saef")})
    broken = rmg_command("check", "specs/main.rmg", "specs/shared/safety.rmg")
    assert broken.returncode == 1
    assert broken.stdout.count("unknown name `saef`") == 1


# ── rmg check --fix ──

FIXED = """rmg 1

fields:
    answer = output.answer

grader good -> 1..5 = "How good is {{ answer }}?"
grader clear -> 1..5 = "How clear is {{ answer }}?"
grader brief = words(answer) <= 3

aggregate reward = weighted(good=0.5, clear=0.5)
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_fixes_are_applied_and_the_line_ends_are_kept(ends: str, three: Command) -> None:
    path = three.folder / "three.rmg"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", ends.encode()))
    three("check", "--fix", "three.rmg")
    assert path.read_bytes() == b"\xef\xbb\xbf" + FIXED.replace("\n", ends).encode()
    before = path.stat().st_mtime_ns
    three("check", "--fix", "three.rmg")
    assert path.stat().st_mtime_ns == before


def test_a_fix_that_is_one_of_several_is_left_to_people(rmg_command: Command) -> None:
    text = 'rmg 1\n\ngrader good -> 0..1 = "How good is {{ response }}?"\n'
    rmg_command.write({"spec.rmg": text})
    found = rmg_command("check", "--fix", "spec.rmg")
    assert found.returncode == 1
    assert "0.0..1.0" in found.stdout
    assert (rmg_command.folder / "spec.rmg").read_text("utf-8") == text


# ── rmg fmt ──

LOOSE = 'grader  a->1..5="{{ q }}"   # why\n'
NEAT = 'grader a -> 1..5 = "{{ q }}"  # why\n'


def test_a_spec_is_brought_into_the_one_layout(rmg_command: Command) -> None:
    rmg_command.write({"a.rmg": LOOSE, "b.rmg": NEAT, "c.rmg": NEAT.replace("\n", "\r\n")})
    checked = rmg_command("fmt", "--check", "a.rmg", "b.rmg", "c.rmg")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == ["a.rmg would change", "c.rmg would change"]
    assert (rmg_command.folder / "a.rmg").read_text("utf-8") == LOOSE
    assert rmg_command("fmt", "a.rmg", "b.rmg", "c.rmg").returncode == 0
    assert {(rmg_command.folder / name).read_bytes() for name in ("a.rmg", "b.rmg", "c.rmg")} == {
        NEAT.encode()
    }
    assert rmg_command("fmt", "--check", "a.rmg", "b.rmg", "c.rmg").returncode == 0


def test_a_broken_spec_is_told_and_left_alone(rmg_command: Command) -> None:
    broken = 'grader a -> 1..5 = "{{ q }}\n'
    rmg_command.write({"broken.rmg": broken, "loose.rmg": LOOSE})
    found = rmg_command("fmt", "broken.rmg", "loose.rmg")
    assert found.returncode == 1
    assert "broken.rmg:1:" in found.stderr
    assert (rmg_command.folder / "broken.rmg").read_text("utf-8") == broken
    assert (rmg_command.folder / "loose.rmg").read_text("utf-8") == NEAT
    assert rmg_command("fmt", "nowhere.rmg").returncode == 2


def test_standard_input_is_formatted_to_standard_output(rmg_command: Command) -> None:
    assert rmg_command("fmt", "-", input=LOOSE).stdout == NEAT
    assert rmg_command("fmt", "-", input="").stdout == ""
    assert rmg_command("fmt", "-", input=b"\xff").returncode == 2
    broken = rmg_command("fmt", "-", input="grader")
    assert (broken.returncode, broken.stdout) == (1, "")
    lost = 'grader a -> 1..5:\nprompt = "{{ q }}"\n'
    assert rmg_command("fmt", "--reindent", "-", input=lost).stdout == lost.replace(
        "prompt", "    prompt"
    )


# ── the small commands ──


@pytest.mark.parametrize("case", table("small"))
def test_a_small_command_shows_what_it_should(case: dict[str, Any], rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": case.get("spec", SPEC), "data.csv": DATA})
    found = rmg_command(*case["command"])
    assert found.returncode == case["exit"], found.stdout + found.stderr
    assert [text for text in case.get("stdout", []) if text not in found.stdout] == []
    assert [text for text in case.get("stderr", []) if text not in found.stderr] == []
    if case.get("json"):
        json.loads(found.stdout)


def test_what_the_standard_library_prints_is_a_spec(rmg_command: Command) -> None:
    source = rmg_command("std", "relevance").stdout
    rmg_command.write({"mine.rmg": "rmg 1\n\n" + source})
    assert rmg_command("check", "mine.rmg").returncode == 0
    assert rmg_command("fmt", "--check", "mine.rmg").returncode == 0


@pytest.mark.parametrize(
    "path", sorted((paths.CASES / "specs").glob("*.rmg")), ids=lambda p: p.stem
)
def test_the_checked_program_is_strict_json_that_names_every_output(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from rmg_dsl.surfaces.cli import main

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    assert main(["ir", str(path)]) == 0
    program = json.loads(capsys.readouterr().out, parse_constant=refuse)
    suite = rmg.load(str(path))
    assert [output["name"] for output in program["outputs"]] == [
        output.name for output in suite.checked.outputs
    ]
    assert all(output["scoring"] < len(program["scorings"]) for output in program["outputs"])
