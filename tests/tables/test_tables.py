"""Files and frames to rows and back: every rule of reading and writing, on real files."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import os
import stat
import subprocess
import sys
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import paths
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.results import Status
from rmg_dsl.tables import (
    ColumnData,
    FloatsOnDisk,
    Row,
    Table,
    check_writable,
    is_frame,
    limit_rows,
    open_table,
    open_writer,
    read_frame,
    records_to_frame,
    sample_rows,
    to_frame,
    to_plain,
    write_table,
    write_text,
)

CASES = paths.CASES / "tables"
BROKEN = json.loads((CASES / "broken.json").read_text(encoding="utf-8"))
CSV_COLUMNS = json.loads((CASES / "csv_columns.json").read_text(encoding="utf-8"))
STREAMED = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
ALL_ENDINGS = (*STREAMED, ".json")


class Colour(Enum):
    RED = "red"


class Opaque:
    """Something that no table knows."""


# ----------------------------------------------------------------------------------------------------
# values

PLAIN = [
    (None, None),
    (pd.NA, None),
    (pd.NaT, None),
    (float("nan"), None),
    (np.float32("nan"), None),
    (np.longdouble("nan"), None),
    (Decimal("NaN"), None),
    (np.datetime64("NaT"), None),
    (np.timedelta64("NaT"), None),
    ({"a": [float("nan"), {"b": pd.NA}]}, {"a": [None, {"b": None}]}),
    (np.int64(3), 3),
    (np.bool_(True), True),
    (np.float64(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.str_("a"), "a"),
    (np.array([1, 2]), [1, 2]),
    (np.array([[1.0, float("nan")]]), [[1.0, None]]),
    (np.array(7), 7),
    (np.array(["2024-01-02"], dtype="datetime64[ns]"), ["2024-01-02T00:00:00.000000000"]),
    (pd.Series([1, None], dtype="Int64"), [1, None]),
    ((1, (2,)), [1, [2]]),
    ({"b", "a"}, ["a", "b"]),
    (OrderedDict(x=(1,)), {"x": [1]}),
    ({1: "a"}, {"1": "a"}),
    (Decimal("12"), 12),
    (Decimal("1.5"), 1.5),
    (Fraction(1, 2), 0.5),
    (Status.OK, "ok"),
    (Colour.RED, "red"),
    (pd.Timestamp("2024-01-02T03:04:05"), "2024-01-02T03:04:05"),
    (datetime.date(2024, 1, 2), "2024-01-02"),
    (datetime.timedelta(minutes=1), 60.0),
    (np.timedelta64(1500, "ms"), 1.5),
    (pd.Period("2024-01"), "2024-01"),
    (b"text", "text"),
    (b"\xff\x00", "/wA="),
    (PurePosixPath("a/b"), "a/b"),
    (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    (float("inf"), float("inf")),
]


@pytest.mark.parametrize(
    ("value", "expected"),
    PLAIN,
    ids=[f"{type(value).__name__}-{n}" for n, (value, _) in enumerate(PLAIN)],
)
def test_every_cell_becomes_plain_python(value: Any, expected: Any) -> None:
    found = to_plain(value)
    assert found == expected
    assert type(found) is type(expected)


def test_what_is_not_known_stays_what_it_is() -> None:
    thing = Opaque()
    assert to_plain([thing])[0] is thing


def test_values_of_the_user_are_never_changed() -> None:
    data = {"a": [float("nan"), (1, 2)]}
    to_plain(data)
    assert math.isnan(data["a"][0])  # type: ignore[arg-type] # a number, as the test says
    assert data["a"][1] == (1, 2)


def test_importing_the_room_imports_neither_pandas_nor_pyarrow() -> None:
    code = "import sys, rmg_dsl.tables; print([m for m in ('pandas', 'numpy', 'pyarrow') if m in sys.modules])"
    root = paths.ROOT
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------------------------------------------
# opening


def content(case: dict[str, Any]) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    text: str = case["text"].replace("DIGITS", "9" * 5_000)
    return text.replace("BRACKETS", "[" * 100_000).encode()


@pytest.mark.parametrize("case", BROKEN, ids=[case["file"] for case in BROKEN])
def test_broken_files_say_where_and_what_to_do(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / case["file"]
    path.write_bytes(content(case))
    with pytest.raises(DataError) as caught:
        open_table(path)
    for part in case["says"]:
        assert part in str(caught.value)


@pytest.mark.parametrize("case", CSV_COLUMNS, ids=[case["why"] for case in CSV_COLUMNS])
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_csv_columns(case: dict[str, Any], ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"cells{ending}"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t" if ending == ".tsv" else ",")
        writer.writerows([["id", "cell"], *(["x", cell] for cell in case["cells"])])
    found = [row["cell"] for row in open_table(path)]
    assert found == case["read"]
    assert [type(value) for value in found] == [type(value) for value in case["read"]]


def test_one_line_late_in_the_file_makes_a_column_text(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_text("n\n" + "1\n" * 3_000 + "07\n")
    rows = list(open_table(path))
    assert rows[0] == {"n": "1"}
    assert rows[-1] == {"n": "07"}


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_nothing(tmp_path: Path) -> None:
    for name, data in {
        "a.csv": "\ufeffq,a\r\n1,x\r\n\r\n2,y\r\n",
        "a.jsonl": '\ufeff{"q": 1, "a": "x"}\r\n\r\n{"q": 2, "a": "y"}',
        "a.json": '\ufeff[{"q": 1, "a": "x"}, {"q": 2, "a": "y"}]',
    }.items():
        (tmp_path / name).write_bytes(data.encode())
        assert list(open_table(tmp_path / name)) == [{"q": 1, "a": "x"}, {"q": 2, "a": "y"}]


def test_an_index_that_pandas_wrote_gets_the_name_that_pandas_gives(tmp_path: Path) -> None:
    pd.DataFrame({"a": ["x"]}).to_csv(tmp_path / "a.csv")
    assert list(open_table(str(tmp_path / "a.csv"))) == [{"Unnamed: 0": 0, "a": "x"}]


def test_a_cell_may_be_longer_than_the_csv_module_allows(tmp_path: Path) -> None:
    write_table(tmp_path / "long.csv", None, [{"a": "x" * 300_000}])
    assert len(next(iter(open_table(tmp_path / "long.csv")))["a"]) == 300_000


def test_line_separators_inside_json_lines_are_text(tmp_path: Path) -> None:
    rows = [{"a": "x\u2028y\x0bz\x85"}]
    write_table(tmp_path / "a.jsonl", None, rows)
    assert list(open_table(tmp_path / "a.jsonl")) == rows


def test_json_columns_are_those_of_all_rows_and_every_row_has_them(tmp_path: Path) -> None:
    rows = [{"b": 1}, {"a": {"x": None}}, {"b": float("nan")}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "a.json").write_text(json.dumps(rows))
    for data in (tmp_path / "a.jsonl", tmp_path / "a.json", rows, (row for row in rows)):
        table = open_table(data)
        assert table.columns == ("b", "a")
        assert table.count == 3
        for _ in range(2):
            assert list(table) == [
                {"b": 1, "a": None},
                {"b": None, "a": {"x": None}},
                {"b": None, "a": None},
            ]


def test_a_table_walks_a_file_as_a_stream(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "1\n" * 10)
    table = open_table(path)
    one, two = table.rows(), table.rows()
    assert [next(one), next(two), next(one)] == [{"a": 1}] * 3
    one.close()  # type: ignore[attr-defined]
    two.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('[{"a": 1}]', [{"a": 1}]),
        ('\ufeff\n {"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("a,b\n1,x\n", [{"a": 1, "b": "x"}]),
    ],
)
def test_standard_input_is_told_by_its_first_characters(text: str, rows: list[Row]) -> None:
    for stream in (io.StringIO(text), io.BytesIO(text.encode())):
        table = open_table("-", stdin=stream)
        assert list(table) == rows
        assert list(table) == rows


def test_standard_input_may_be_parquet(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", None, [{"a": 1}])
    assert list(open_table("-", stdin=io.BytesIO((tmp_path / "a.parquet").read_bytes()))) == [
        {"a": 1}
    ]


def test_long_standard_input_is_kept_on_disk_and_walked_by_several() -> None:
    count = 20_000
    text = "n,text\n" + "".join(f"{place},{'x' * 1_000}\n" for place in range(count))
    table = open_table("-", stdin=io.BytesIO(text.encode()))
    one, other = iter(table), iter(table)
    assert [next(one)["n"], next(one)["n"], next(other)["n"], next(one)["n"]] == [0, 1, 0, 2]
    assert sum(row["n"] for row in table) == count * (count - 1) // 2
    assert [row["n"] for row in other] == list(range(1, count))


def test_nothing_on_standard_input_is_an_error() -> None:
    with pytest.raises(DataError, match="<stdin>: the file is empty"):
        open_table("-", stdin=io.StringIO("\n"))


NO_DATA = [
    ({"a": [1, 2]}, UsageError, "one dict; give a list of dicts"),
    (3, UsageError, "the data is int; give a frame"),
    (b"a,b", UsageError, "the data is bytes"),
    (
        pd.Series([1]),
        DataError,
        r"row 1 of the data is int, not a dict; .to_frame\(\) of it makes a frame",
    ),
    (None, UsageError, "the data is NoneType"),
    (
        "rows.xlsx",
        UsageError,
        r"'rows.xlsx' does not end in .csv, .tsv, .jsonl, .ndjson, .json, .parquet",
    ),
    ("a,b\n1,2", UsageError, "does not end in"),
    ("gone.csv", DataError, "gone.csv: there is no such file"),
    ([{"a": 1}, "x"], DataError, "row 2 of the data is str, not a dict"),
    ([{1: "a"}], DataError, "the keys of the rows must be text, these are not: `1`"),
    (
        pd.DataFrame({0: [1]}),
        DataError,
        r"these are not: `0`; write frame.columns = frame.columns.astype\(str\)",
    ),
    (
        pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
        DataError,
        "for two levels",
    ),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), DataError, "the columns `a` stand more than once"),
]


@pytest.mark.parametrize(("data", "error", "says"), NO_DATA)
def test_what_is_no_data(data: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        open_table(data)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        open_table(tmp_path / "a.csv")


def test_parquet_that_pandas_wrote(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "t": pd.to_datetime(["2024-01-02T03:04:05.000000006", "NaT"]).as_unit("ns"),
            "c": pd.Categorical(["x", "y"]),
            "l": [[1, None], []],
            "d": [{"k": 1.5}, None],
            "n": pd.array([1, None], dtype="Int64"),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert list(open_table(tmp_path / "a.parquet")) == [
        {"t": "2024-01-02T03:04:05.000000006", "c": "x", "l": [1, None], "d": {"k": 1.5}, "n": 1},
        {"t": None, "c": "y", "l": [], "d": None, "n": None},
    ]


def test_parquet_with_a_column_twice(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "a.parquet"
    )
    with pytest.raises(DataError, match="`a` stand more than once"):
        open_table(tmp_path / "a.parquet")


def test_parquet_without_pyarrow_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "a.parquet", None, [{"a": 1}])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    for attempt in (
        lambda: open_table(tmp_path / "a.parquet"),
        lambda: write_table(tmp_path / "b.parquet", None, [{"a": 1}]),
        lambda: check_writable(tmp_path / "b.parquet"),
    ):
        with pytest.raises(DataError, match=r'pip install "rmg-dsl\[parquet\]"'):
            attempt()


# -----------------------------------------------------------------------------------------------------
# frames


def test_a_frame_as_a_table_and_nulls_of_every_dtype() -> None:
    frame = pd.DataFrame(
        {
            "f": [1.5, None],
            "i": pd.array([1, None], dtype="Int64"),
            "s": ["a", None],
            "b": pd.array([True, None], dtype="boolean"),
            "t": pd.to_datetime(["2024-01-02", "NaT"]),
            "o": [[np.int64(1)], float("nan")],
            "c": pd.Categorical(["x", None]),
        }
    )
    table = open_table(frame)
    assert table.count == 2
    assert table.origin is frame
    one = {"f": 1.5, "i": 1, "s": "a", "b": True, "t": "2024-01-02T00:00:00", "o": [1], "c": "x"}
    assert list(table) == [one, dict.fromkeys(frame.columns)]
    assert next(iter(table))["b"] is True


def test_a_frame_without_columns_still_has_rows() -> None:
    assert list(open_table(pd.DataFrame(index=[1, 2]))) == [{}, {}]


def test_is_frame() -> None:
    assert is_frame(pd.DataFrame())
    assert not is_frame(pd.Series([1]))
    assert not is_frame("a.csv")


INDEXES = [
    pd.RangeIndex(3),
    pd.Index([7, 7, 7], name="same"),
    pd.Index(["a", "b", None]),
    pd.MultiIndex.from_tuples([(1, "a"), (1, "a"), (2, "b")], names=["x", "y"]),
    pd.date_range("2024-01-01", periods=3),
    pd.CategoricalIndex(["u", "v", "u"]),
]
NEW = {
    "score": ColumnData("number", [4, None, 2.5]),
    "rank": ColumnData("integer", [1, None, 3]),
    "passed": ColumnData("bool", [True, None, False]),
    "score_reason": ColumnData("text", ["good", None, "half \ud800"]),
    "score_status": ColumnData("status", [Status.OK, Status.REFUSED, "off_scale"]),
}
NEW_DTYPES = {
    "score": "Float64",
    "rank": "Int64",
    "passed": "boolean",
    "score_reason": "string",
    "score_status": "category",
}


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: type(index).__name__)
def test_a_new_frame_keeps_everything_of_the_old_one(index: pd.Index) -> None:
    frame = pd.DataFrame(
        {
            "q": ["a", "b", "c"],
            "n": np.array([1, 2, 3], dtype="int8"),
            "c": pd.Categorical(["x", "y", "x"]),
        },
        index=index,
    )
    frame.columns.name = "name of the columns"
    before = frame.copy(deep=True)
    found = to_frame(open_table(frame), NEW)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(found[list(frame.columns)], before)
    pd.testing.assert_index_equal(found.index, index)
    assert list(found.columns) == [*frame.columns, *NEW]
    assert {name: str(found[name].dtype) for name in NEW} == NEW_DTYPES
    assert found["score"].to_list() == [4.0, pd.NA, 2.5]
    assert found["score_reason"].to_list()[2] == "half \\ud800"
    assert found["score_status"].to_list() == ["ok", "refused", "off_scale"]
    assert list(found["score_status"].cat.categories) == [status.value for status in Status]


def test_changing_the_new_frame_leaves_the_old_one() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    for new in ({}, {"s": ColumnData("number", [1, 2])}):
        found = to_frame(open_table(frame), new)
        found["a"] = 0
        found["b"] = 1
        assert frame.to_dict("list") == {"a": [1, 2]}


def test_many_columns_make_no_fragmented_frame() -> None:
    new = {f"g{place}": ColumnData("number", [1.0]) for place in range(300)}
    assert to_frame(open_table(pd.DataFrame({"a": [1]})), new).shape == (1, 301)


def test_a_frame_without_rows_keeps_columns_and_dtypes() -> None:
    frame = pd.DataFrame(
        {"a": pd.array([], dtype="int8"), "b": pd.array([], dtype="datetime64[ns]")}
    )
    found = to_frame(
        open_table(frame), {name: ColumnData(column.kind, []) for name, column in NEW.items()}
    )
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "a": "int8",
        "b": "datetime64[ns]",
        **NEW_DTYPES,
    }
    pd.testing.assert_index_equal(found.index, frame.index)


def test_a_status_that_is_none_of_ours_is_kept() -> None:
    found = to_frame(
        open_table(pd.DataFrame({"a": [1, 2]})), {"s": ColumnData("status", ["ok", "converged"])}
    )
    assert found["s"].to_list() == ["ok", "converged"]


def test_a_name_that_is_taken_and_a_wrong_length_are_errors() -> None:
    table = open_table(pd.DataFrame({"a": [1]}))
    with pytest.raises(DataError, match="the frame has the columns `a` already"):
        to_frame(table, {"a": ColumnData("number", [1])})
    with pytest.raises(DataError, match="2 values for 1 rows"):
        to_frame(table, {"b": ColumnData("number", [1, 2])})


def test_rows_that_came_from_no_frame_get_nullable_dtypes() -> None:
    rows = [
        {
            "i": 1,
            "n": 1,
            "s": "a",
            "b": True,
            "o": [1],
            "big": 2**70,
            "none": None,
            "inf": math.inf,
        },
        {"i": None, "n": 0.5, "s": None, "b": None, "o": "x", "big": 1, "none": None, "inf": 1.0},
    ]
    found = to_frame(open_table(rows), {"score": ColumnData("number", [None, 1])})
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "i": "Int64", "n": "Float64", "s": "string", "b": "boolean", "o": "object",
        "big": "object", "none": "object", "inf": "Float64", "score": "Float64",
    }  # fmt: skip
    assert found["o"].to_list() == [[1], "x"]
    assert found["big"].to_list() == [2**70, 1]


def test_no_rows_and_no_columns() -> None:
    assert to_frame(open_table([]), {}).shape == (0, 0)
    assert to_frame(open_table([]), {"s": ColumnData("number", [])}).shape == (0, 1)


def test_records_to_frame() -> None:
    rows = [{"grader": "tone", "n": 3, "mean": 1.5}, {"grader": "brief", "n": 2, "extra": 1}]
    found = records_to_frame(
        rows, ["grader", "n", "mean", "note"], {"n": "integer", "mean": "number"}
    )
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == {
        "grader": "string", "n": "Int64", "mean": "Float64", "note": "string",
    }  # fmt: skip
    assert records_to_frame([], ["a"], {"a": "status"}).shape == (0, 1)
    assert len(records_to_frame(rows, [])) == 2


# --------------------------------------------------------------------------------------------------
# some rows


def test_limit_and_sample_keep_the_frame_in_step() -> None:
    frame = pd.DataFrame({"a": range(100)}, index=pd.Index([7] * 100))
    drawn = sample_rows(open_table(frame), 10, seed=3)
    cut = limit_rows(drawn, 4)
    values = [row["a"] for row in cut]
    assert values == sorted(values)
    assert (drawn.count, cut.count) == (10, 4)
    assert to_frame(cut, {"s": ColumnData("number", [1, 2, 3, 4])})["a"].to_list() == values
    assert list(frame["a"]) == list(range(100))


def unknown_length(n: int) -> Table:
    return Table(("a",), lambda: iter([{"a": place} for place in range(n)]))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_a_sample_is_part_of_the_rows_in_order_and_drawn_again(
    n: int, size: int, seed: int
) -> None:
    table = unknown_length(size)
    values = [row["a"] for row in sample_rows(table, n, seed)]
    assert len(values) == min(n, size)
    assert values == sorted(set(values))
    known = Table(("a",), table.rows, count=size)
    assert [row["a"] for row in sample_rows(known, n, seed)] == values


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_limit_is_the_first_rows(n: int, size: int) -> None:
    assert [row["a"] for row in limit_rows(unknown_length(size), n)] == list(range(min(n, size)))


def test_a_sample_is_uniform() -> None:
    counts = [0] * 10
    for seed in range(2_000):
        for row in sample_rows(unknown_length(10), 3, seed):
            counts[row["a"]] += 1
    assert all(abs(count - 600) < 100 for count in counts)


def test_a_negative_number_of_rows_and_none() -> None:
    table = unknown_length(3)
    assert limit_rows(table, None) is table
    assert sample_rows(table, None, 0) is table
    attempts: list[Callable[[], object]] = [
        lambda: limit_rows(table, -1),
        lambda: sample_rows(table, -1, 0),
    ]
    for attempt in attempts:
        with pytest.raises(UsageError, match="0 or more"):
            attempt()


# ----------------------------------------------------------------------------------------------------
# writing

ROWS: list[Row] = [
    {
        "id": "007",
        "score": 4.0,
        "n": 4,
        "ok": True,
        "tags": ["a", {"b": None}],
        "text": 'two\nlines, "q"',
        "none": None,
    },
    {"id": "b", "score": None, "n": None, "ok": None, "tags": None, "text": None, "none": None},
]
WRITTEN = {
    ".csv": 'id,score,n,ok,tags,text,none\n007,4.0,4,True,"[""a"", {""b"": null}]","two\nlines, ""q""",\nb,,,,,,\n',
    ".tsv": 'id\tscore\tn\tok\ttags\ttext\tnone\n007\t4.0\t4\tTrue\t"[""a"", {""b"": null}]"\t"two\nlines, ""q"""\t\n'
    "b\t\t\t\t\t\t\n",
    ".jsonl": '{"id": "007", "score": 4.0, "n": 4, "ok": true, "tags": ["a", {"b": null}], '
    '"text": "two\\nlines, \\"q\\"", "none": null}\n'
    '{"id": "b", "score": null, "n": null, "ok": null, "tags": null, "text": null, "none": null}\n',
}
WRITTEN[".json"] = "[\n" + WRITTEN[".jsonl"].strip().replace("\n", ",\n") + "\n]\n"


@pytest.mark.parametrize("ending", WRITTEN)
def test_what_is_written(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, None, iter(ROWS))
    assert path.read_bytes().decode() == WRITTEN[ending]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
def test_rows_come_back_exactly(ending: str, tmp_path: Path) -> None:
    write_table(tmp_path / f"out{ending}", None, ROWS)
    assert list(open_table(tmp_path / f"out{ending}")) == ROWS


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_columns_choose_and_order_and_a_new_one_is_an_error(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, ["b", "a"], [{"a": 1, "b": "x"}, {"a": 2}])
    table = open_table(path)
    assert table.columns == ("b", "a")
    assert list(table) == [{"b": "x", "a": 1}, {"b": None, "a": 2}]
    with pytest.raises(DataError, match="row 2 has the new columns `c`"):
        write_table(path, ["a", "b"], [{"a": 1}, {"c": 1}])
    assert list(open_table(path)) == list(table)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_the_columns_of_a_stream_are_those_of_its_first_thousand_rows(
    ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"out{ending}"
    rows: list[Row] = [{"a": 1}] * 999 + [{"b": 2}, {"a": 3}]
    write_table(path, None, iter(rows))
    assert open_table(path).columns == ("a", "b")
    assert open_table(path).count == 1001
    late: list[Row] = [{"a": 1}] * 1000 + [{"b": 2}]
    with pytest.raises(DataError, match="row 1001 has the new columns `b`"):
        write_table(path, None, iter(late))
    write_table(path, None, late)
    assert open_table(path).columns == ("a", "b")


LATE = [
    (1, 1.5),
    (1, True),
    (1, "1"),
    (1, 2**64),
    (0.5, 2**53 + 1),
    ("a", 1),
    ([1], [1.5]),
    ([1], 1),
    ({"a": 1}, {"b": 1}),
]


@pytest.mark.parametrize(("early", "late"), LATE, ids=[repr(pair) for pair in LATE])
def test_a_late_value_widens_its_parquet_column_and_none_is_bent(
    early: Any, late: Any, tmp_path: Path
) -> None:
    values = [None, *[early] * 12_000, late, None, early]
    write_table(tmp_path / "a.parquet", None, iter([{"a": value, "b": "x"} for value in values]))
    found = [row["a"] for row in open_table(tmp_path / "a.parquet")]
    floats = (early, late) == (1, 1.5)  # a column of ints and floats is one of floats
    assert json.dumps(found) == json.dumps([float(v) if floats and v else v for v in values])
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_columns_may_widen_one_after_the_other(tmp_path: Path) -> None:
    names = [f"c{place}" for place in range(20)]
    rows = [
        {name: value if at > 1_000 * place else None for place, name in enumerate(names)}
        for at, value in MIXED
    ]
    write_table(tmp_path / "a.parquet", names, iter(rows))
    assert list(open_table(tmp_path / "a.parquet")) == rows


MIXED: list[tuple[int, Any]] = [(at, at if at < 20_500 else "text") for at in range(21_000)]


PARQUET_TYPES = [
    ([1, 2, None], "int64"),
    ([1, 2.5], "double"),
    (["a", None], "string"),
    ([True, None], "bool"),
    ([[1, 2], [3], []], "list<element: int64>"),
    ([{"a": 1}, {"a": 2}], "struct<a: int64>"),
    ([{"a": 1}, {"b": 2}], "string"),
    ([{}], "string"),
    ([[]], "string"),
    ([1, "a"], "string"),
    ([True, 1], "string"),
    ([2**64], "string"),
    ([2**60, 0.5], "string"),
    ([None], "string"),
    ([[1, 2.5]], "string"),
    (["half \ud800"], "string"),
]


@pytest.mark.parametrize(
    ("values", "expected"), PARQUET_TYPES, ids=[repr(values) for values, _ in PARQUET_TYPES]
)
def test_parquet_columns_are_native_where_that_is_exact(
    values: list[Any], expected: str, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    write_table(path, None, [{"a": value} for value in values])
    assert str(pq.read_schema(path).field("a").type).replace("<item:", "<element:") == expected
    if values != ["half \ud800"]:
        found = [row["a"] for row in open_table(path)]
        assert found == values
        assert json.dumps(found) == json.dumps(
            [float(v) if expected == "double" else v for v in values]
        )


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_what_no_format_can_hold_is_still_written(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_table(
        path,
        None,
        [{"s": "half \ud83d", "l": ["\ud83d", math.inf, complex(1, 2)], "c": complex(1, 2)}],
    )
    row = next(iter(open_table(path)))
    assert "(1+2j)" in str(row["c"])
    assert row["s"] == "half \ud83d" if ending in (".jsonl", ".ndjson", ".json") else "half \\ud83d"
    path.read_bytes()[:0].decode()


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_a_column_named_by_half_a_character_is_still_written(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, None, [{"a": 1, "half \ud83d": 2, "o": {"\ud83d": "\udc00"}}])
    row = next(iter(open_table(path)))
    escaped = {key.encode("utf-8", "backslashreplace").decode(): row[key] for key in row}
    assert str(escaped["half \\ud83d"]) == "2"


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".json"])
def test_what_is_not_finite_is_no_score(ending: str, tmp_path: Path) -> None:
    write_table(
        tmp_path / f"a{ending}",
        None,
        [{"a": value} for value in (math.inf, -math.inf, math.nan, 1.0)],
    )
    assert [row["a"] for row in open_table(tmp_path / f"a{ending}")] == [None, None, None, 1.0]
    assert "nf" not in (tmp_path / f"a{ending}").read_text()


def failing() -> Iterator[Row]:
    for place in range(2_000):
        yield {"a": place}
    raise KeyboardInterrupt


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_a_file_is_there_whole_or_as_it_was(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, None, [{"a": 1}])
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_table(path, None, failing())
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_what_a_killed_run_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    for path in ("out.csv", "other.csv"):
        code = f"import os, rmg_dsl.tables as t\nwith t.open_writer([{path!r}], ['a']) as w:\n w.add({{'a': 1}}); os._exit(9)"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 2
    write_table(
        tmp_path / "out.csv", ["a"], []
    )  # so soon it may be one that somebody has just begun
    assert {path.name for path in tmp_path.iterdir()} == {*left, "out.csv"}
    with open_writer([tmp_path / "out.csv"], ["a"]):
        for file in tmp_path.glob(".rmg-*"):
            os.utime(file, (0, 0))
        held = {path.name for path in tmp_path.glob(".rmg-*")} - left
        write_table(tmp_path / "out.csv", ["a"], [])
        found = {path.name for path in tmp_path.glob(".rmg-*")}
    assert len(found & left) == 1  # of another file
    assert held <= found


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")
def test_modes_and_links_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "new.html", "x")
    assert stat.S_IMODE((tmp_path / "new.html").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )
    (tmp_path / "new.html").chmod(0o640)
    (tmp_path / "link.html").symlink_to(tmp_path / "new.html")
    write_text(tmp_path / "link.html", "Zoë \ud800")
    assert (tmp_path / "link.html").is_symlink()
    assert stat.S_IMODE((tmp_path / "new.html").stat().st_mode) == 0o640
    assert (tmp_path / "new.html").read_text(encoding="utf-8") == "Zoë \\ud800"


def test_a_path_that_cannot_be_written_is_refused_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    for path in ("folder.csv", "gone/out.csv", "file/out.csv"):
        with pytest.raises(DataError, match="cannot be written"):
            check_writable(tmp_path / path)
        with pytest.raises(DataError, match="cannot be written"):
            write_table(tmp_path / path, None, [{"a": 1}])
    for attempt in (check_writable, lambda path: write_table(path, None, [])):
        with pytest.raises(UsageError, match=r"does not end in \.csv"):
            attempt(tmp_path / "out.xlsx")
    with pytest.raises(UsageError, match=r"\.parquet, \.html"):
        check_writable("out.txt", also=(".html",))
    check_writable(tmp_path / "out.HTML", also=(".html",))
    check_writable(tmp_path / "out.parquet")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.csv"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_closed_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="may not be written to"):
        check_writable(tmp_path / "out.csv")


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".parquet"])
def test_a_table_without_rows_keeps_its_columns(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{ending}"
    write_table(path, ["a", "b"], [])
    assert open_table(path).columns == (() if ending == ".json" else ("a", "b"))
    assert list(open_table(path)) == []


@pytest.mark.parametrize("ending", ALL_ENDINGS)
def test_a_saved_frame_comes_back_with_its_dtypes_and_statuses(ending: str, tmp_path: Path) -> None:
    frame = to_frame(open_table([{"id": "007"}, {"id": "b"}, {"id": "c"}]), NEW)
    table = open_table(frame)
    write_table(tmp_path / f"out{ending}", table.columns, table)
    pd.testing.assert_frame_equal(read_frame(tmp_path / f"out{ending}"), frame)


def test_a_column_of_other_words_is_no_status(tmp_path: Path) -> None:
    write_table(tmp_path / "a.csv", None, [{"order_status": "shipped"}, {"order_status": "ok"}])
    assert str(read_frame(tmp_path / "a.csv")["order_status"].dtype) == "string"


@pytest.mark.parametrize("has_disk", [True, False])
def test_floats_stand_on_disk_where_there_is_one(
    has_disk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_disk:
        monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    values = [place / 7 for place in range(40_000)]
    floats = FloatsOnDisk()
    for value in values:
        floats.append(value)
    assert len(floats) == 40_000
    assert list(zip(floats, floats, strict=True)) == [(value, value) for value in values]
    assert (len(floats._unspilled) < 20_000) == has_disk


# -------------------------------------------------------------------------------------------------------
# laws

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
WHOLE = st.integers(-(2**53), 2**53)
REAL = st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.none() | st.booleans() | st.integers() | REAL | TEXT
NESTED = st.recursive(
    SCALAR,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(TEXT, part, max_size=3),
    max_leaves=8,
)
NAMES = st.lists(
    TEXT.filter(lambda name: name.strip("\ufeff \t\r\n") == name != ""),
    min_size=1,
    max_size=4,
    unique=True,
)
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def tables(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    return NAMES.flatmap(
        lambda names: st.lists(
            st.fixed_dictionaries(dict.fromkeys(names, values)), min_size=1, max_size=6
        )
    )


@QUICK
@given(rows=tables(NESTED))
@pytest.mark.parametrize("ending", [".jsonl", ".json", ".parquet"])
def test_law_what_is_written_is_what_is_read(ending: str, rows: list[Row], tmp_path: Path) -> None:
    write_table(tmp_path / f"law{ending}", None, rows)
    found = list(open_table(tmp_path / f"law{ending}"))
    assert found == rows
    if ending != ".parquet":  # where a column of ints and floats is one of floats
        assert json.dumps(found, sort_keys=True) == json.dumps(rows, sort_keys=True)


@QUICK
@given(rows=tables(st.none() | WHOLE | REAL))
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_law_numbers_survive_csv(ending: str, rows: list[Row], tmp_path: Path) -> None:
    write_table(tmp_path / f"law{ending}", None, rows)
    found = list(open_table(tmp_path / f"law{ending}"))
    assert json.dumps(found, sort_keys=True) == json.dumps(rows, sort_keys=True)


@QUICK
@given(rows=tables(SCALAR))
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_law_csv_cells_print_back_the_same(ending: str, rows: list[Row], tmp_path: Path) -> None:
    write_table(tmp_path / f"law{ending}", None, rows)
    found = list(open_table(tmp_path / f"law{ending}"))
    shown = [
        {name: None if value in (None, "") else str(value) for name, value in row.items()}
        for row in rows
    ]
    assert [
        {name: value if value is None else str(value) for name, value in row.items()}
        for row in found
    ] == shown
    before = (tmp_path / f"law{ending}").read_bytes()
    write_table(tmp_path / f"law{ending}", None, found)
    assert (tmp_path / f"law{ending}").read_bytes() == before


@QUICK
@given(rows=tables(SCALAR))
def test_law_a_frame_of_rows_has_the_same_rows(rows: list[Row]) -> None:
    found = list(open_table(to_frame(open_table(rows), {})))
    assert found == rows
