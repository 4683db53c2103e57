"""Runs from file to file: rows are written as they finish, the same bytes each time, in memory that
stays flat.
"""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Command
from loopback import Asked, Loopback, Told, chat, verdict

import rmg_dsl as rmg
from rmg_dsl.api import Options, prepare, run_stream
from rmg_dsl.errors import DataError
from rmg_dsl.messages import Request

ENDINGS = ("csv", "tsv", "jsonl", "json", "parquet", "html")
SPEC = """\
grader kind -> 1..5 = "How kind? {{ response }}"
grader tone -> "formal" | "plain" = "Which tone? {{ response }}"
grader quality -> ("bad"=0 | "good"=1) = "Which quality? {{ response }}"
grader long = chars(response)
grader long_for = chars(response) / size
aggregate reward = unit(kind) if long > 20 else 0
require mean(reward) >= 0.1
require unscored(kind) <= 0.9
"""
ROWS = 1_700


def row(place: int) -> dict[str, Any]:
    """One in nine has no response, one in seven is no number, nested values come late and odd."""
    return {
        "id": f"{place:03d}",
        "response": None if place % 9 == 4 else f'answer {place} with <b>, "quotes" and ünï',
        "size": place % 7 or None,
        "share": place / 7 if place > 1_500 else None,
        "tags": [{"a": place}] if place < 1_200 else {"b": [place, None]},
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows as csv, jsonl, json and parquet; in csv what is nested is text."""
    folder = tmp_path_factory.mktemp("inputs")
    rows = [row(place) for place in range(ROWS)]
    (folder / "data.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")
    (folder / "data.json").write_text(json.dumps(rows), "utf-8")
    flat = [{**each, "tags": json.dumps(each["tags"])} for each in rows]
    with (folder / "data.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(flat)
    pq.write_table(pa.Table.from_pylist(flat), folder / "data.parquet")
    return folder


def say(request: Request) -> Any:
    """A verdict that depends on the row; now and then none."""
    place = request.row or 0
    if place % 11 == 3:
        return f"I would rather not say, {place % 2}"
    verdicts: dict[str, Any] = {
        "kind": 1 + place % 5,
        "tone": "plain",
        "quality": ("bad", "good")[place % 2],
    }
    return {"reason": f"because {place}", "verdict": verdicts[request.question.grader]}


@pytest.mark.parametrize("source", ["csv", "jsonl", "json", "parquet"])
def test_a_stream_writes_and_tells_what_a_result_in_memory_does(
    source: str, inputs: Path, tmp_path: Path
) -> None:
    data = str(inputs / f"data.{source}")
    streamed, kept = (
        [str(tmp_path / f"{name}.{ending}") for ending in ENDINGS] for name in ("streamed", "kept")
    )
    job = prepare(SPEC, data, Options(model=rmg.ScriptedModel(say)))
    finished = run_stream(job, streamed)
    result = rmg.grade(SPEC, data, model=rmg.ScriptedModel(say))
    for path in kept:
        result.save(path)
    assert finished.summary_rows == result.summary_rows
    assert finished.gates == result.gates
    assert finished.digest.failures.count == len(result.failures)
    assert [
        Path(path).read_bytes() == Path(other).read_bytes()
        for path, other in zip(streamed, kept, strict=True)
    ] == [True] * len(ENDINGS)
    assert "nan" not in Path(streamed[0]).read_text("utf-8").lower().split(",")
    assert rmg.read(streamed[-2])["kind_status"].tolist() == result.df["kind_status"].tolist()


def test_new_columns_of_parquet_are_of_the_types_that_the_spec_tells(
    inputs: Path, tmp_path: Path
) -> None:
    """Whatever the first rows hold: here nothing at all."""
    spec = SPEC + 'grader rare = share > 1\ngrader same = column("share")\n'
    path = str(tmp_path / "out.parquet")
    run_stream(
        prepare(spec, str(inputs / "data.jsonl"), Options(model=rmg.ScriptedModel(say))), [path]
    )
    schema = pq.read_schema(path)
    wanted = {
        "kind": "int64",
        "kind_reason": "string",
        "kind_status": "string",
        "tone": "string",
        "quality": "double",
        "quality_label": "string",
        "long": "double",
        "rare": "bool",
        "same": "double",
        "id": "string",
        "size": "int64",
        "share": "double",
        "tags": "string",
    }
    assert {name: str(schema.field(name).type) for name in wanted} == wanted
    assert pq.ParquetFile(path).metadata.num_row_groups == 1


# ── the same replies, the same bytes ──


def shuffled(asked: Asked) -> Told:
    """Answers a question always alike, and after another while each time."""
    number = sum(asked.prompt.encode())
    told = (
        chat("no idea")
        if "text 41" in asked.prompt
        else verdict(1 + number % 5, f"because of {number}")
    )
    return Told(body=told.body, delay=random.random() * 0.03)


def test_the_same_replies_make_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = 'grader kind -> 1..5 = "How kind? {{ response }}"\ngrader short = words(response) < 9\n'
    data = tmp_path / "data.jsonl"
    data.write_text(
        "".join(json.dumps({"response": f"text {n % 90}" * (n % 7)}) + "\n" for n in range(150)),
        "utf-8",
    )
    written: list[Any] = []
    calls: list[Any] = []
    with Loopback(shuffled) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        for turn, cache in enumerate(
            ["one", "two", "two"]
        ):  # paid for twice, then all from the cache
            monkeypatch.setenv("RMG_CACHE_DIR", str(tmp_path / cache))
            paths = [str(tmp_path / f"{turn}.{ending}") for ending in ENDINGS]
            run_stream(prepare(spec, str(data), Options(model="openai/any", concurrency=16)), paths)
            written.append([Path(path).read_bytes() for path in paths])
            calls.append(len(server.asked) - sum(calls))
    assert written[0] == written[1] == written[2]
    assert calls[0] == calls[1] > 100
    assert calls[2] == 0
    assert b"because of" in written[0][0]
    assert b"unparsed" in written[0][-1]


# ── endings ──


def test_what_ends_a_stream_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("response\n" + "a b\n" * 3_000, "utf-8")
    paths = [str(tmp_path / f"out.{ending}") for ending in ENDINGS]
    (tmp_path / "out.csv").write_text("as it was", "utf-8")

    def fails(_: Any) -> None:
        raise RuntimeError("on_row")

    job = prepare("grader brief = words(response) <= 2", str(data), Options(on_row=fails))
    with pytest.raises(RuntimeError, match="on_row"):
        run_stream(job, paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.csv", "out.csv"]
    assert (tmp_path / "out.csv").read_text("utf-8") == "as it was"


FULL = """\
import resource, sys
from rmg_dsl.surfaces.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
sys.exit(main(["run", "spec.rmg", "data.csv", "-o", "out.jsonl", "-o", "out.{ending}", "--quiet", "--no-cache"]))
"""


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_disk_that_is_full_is_told_and_leaves_nothing(ending: str, rmg_command: Command) -> None:
    rows = "".join(f"{place:099d}\n" for place in range(4_000))
    rmg_command.write(
        {"spec.rmg": "grader brief = words(response) <= 2", "data.csv": "response\n" + rows}
    )
    code = FULL.format(ending=ending)
    words = [sys.executable, "-c", code]
    found = subprocess.run(
        words, cwd=rmg_command.folder, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2, found.stderr
    assert found.stderr.startswith("rmg: out.")
    assert found.stderr.endswith("cannot be written: File too large\n")
    assert sorted(path.name for path in rmg_command.folder.iterdir()) == ["data.csv", "spec.rmg"]


def test_a_file_that_changes_under_the_run_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("n\n1\n2\n", "utf-8")
    job = prepare("grader g = n + 1", str(data), Options())
    data.write_text("n\n1\nx\n", "utf-8")
    with pytest.raises(DataError, match=r"data\.csv: the file changed while it was read"):
        run_stream(job, [str(tmp_path / "out.csv")])
    assert not (tmp_path / "out.csv").exists()


class Watched:
    """A judge that answers slowly, and whose `reached` says when it has been asked so many
    times.
    """

    def __init__(self, after: int) -> None:
        self.reached, self._after, self._asked = threading.Event(), after, 0

    def __call__(self, _: Asked) -> Told:
        self._asked += 1
        if self._asked == self._after:
            self.reached.set()
        return Told(body=verdict(4).body, delay=0.05)


def test_an_interrupt_writes_every_file_with_what_is_finished(rmg_command: Command) -> None:
    rows = "response\n" + "".join(f"answer {place}\n" for place in range(3_000))
    rmg_command.write(
        {"spec.rmg": 'grader kind -> 1..5 = "How kind? {{ response }}"', "data.csv": rows}
    )
    outputs = [word for ending in ("csv", "parquet", "html") for word in ("-o", f"out.{ending}")]
    judge = Watched(30)
    words = ("run", "spec.rmg", "data.csv", "--model", "openai/any", "--concurrency", "4", *outputs)
    with (
        Loopback(judge) as server,
        rmg_command.start(*words, OPENAI_BASE_URL=server.url) as process,
    ):
        assert judge.reached.wait(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    for ending in ("csv", "parquet"):
        counts = rmg.read(rmg_command.folder / f"out.{ending}")["kind_status"].value_counts()
        assert counts["ok"] == len(server.asked) >= 30
        assert counts["cancelled"] == 3_000 - counts["ok"]
    assert "interrupted" in (rmg_command.folder / "out.html").read_text("utf-8")
    assert not list(rmg_command.folder.glob(".rmg-*"))


# ── memory ──

PEAK = """\
import resource, sys
from rmg_dsl.surfaces.cli import main
code = main(["run", "spec.rmg", sys.argv[1], "-o", sys.argv[2], "-o", "out.html", "--quiet"])
print(code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
CODE = (
    "grader size = chars(response) * number\ngrader lost = words(nothing)\nrequire mean(size) > 0\n"
)


def lines(ending: str, count: int) -> Iterator[str]:
    if ending == "csv":
        yield "number,response,nothing\n"
    for place in range(count):
        text = f"answer {place} " * 4
        yield (
            f"{place},{text},\n"
            if ending == "csv"
            else json.dumps({"number": place, "response": text, "nothing": None}) + "\n"
        )


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in other units elsewhere")
@pytest.mark.parametrize(("source", "target"), [("csv", "jsonl"), ("jsonl", "csv")])
def test_memory_does_not_grow_with_the_rows(source: str, target: str, rmg_command: Command) -> None:
    rmg_command.write({"spec.rmg": CODE})
    peaks = []
    for count in (2_000, 25_000):
        with (rmg_command.folder / f"data.{source}").open("w", encoding="utf-8") as file:
            file.writelines(lines(source, count))
        words = [sys.executable, "-c", PEAK, f"data.{source}", f"out.{target}"]
        found = subprocess.run(
            words, cwd=rmg_command.folder, capture_output=True, text=True, check=True
        )
        code, peak = map(int, found.stdout.split())
        assert code == 0
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 6, peaks
