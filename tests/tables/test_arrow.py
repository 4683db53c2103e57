"""Arrow IPC files: what they give back is what parquet gives back, for every kind of column."""

from __future__ import annotations

import datetime
import json
import os
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import paths
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from rmg_dsl.errors import DataError
from rmg_dsl.tables import Row, open_table, read_frame, write_table

COLUMNS = tomllib.loads((paths.CASES / "tables" / "columns.toml").read_text("utf-8"))["column"]
ENDINGS = (".arrow", ".feather")
LATE_AFTER = 12_000  # more than one group of rows


def rows_of(case: dict[str, Any]) -> list[Row]:
    if "values" in case:
        values = json.loads(case["values"])
    else:
        values = [json.loads(case["early"])] * LATE_AFTER + [json.loads(case["late"]), None]
    return [{"id": place, "value": value} for place, value in enumerate(values)]


@pytest.mark.parametrize("case", COLUMNS, ids=[case["name"] for case in COLUMNS])
def test_arrow_gives_back_what_parquet_does(case: dict[str, Any], tmp_path: Path) -> None:
    parquet = tmp_path / "a.parquet"
    write_table(parquet, None, iter(rows_of(case)))
    expected = json.dumps(list(open_table(parquet)))
    parquet_type = str(pq.read_schema(parquet).field("value").type)
    assert parquet_type == case["type"]
    for ending in ENDINGS:
        path = tmp_path / f"a{ending}"
        write_table(path, None, iter(rows_of(case)))
        assert json.dumps(list(open_table(path))) == expected
        with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
            assert (
                str(reader.schema.field("value").type).replace("<item:", "<element:")
                == case["type"]
            )
    assert sorted(os.listdir(tmp_path)) == ["a.arrow", "a.feather", "a.parquet"]


def test_both_endings_are_one_format(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": [1, None], "b": "x"}, {"a": None, "b": None}]
    for ending in ENDINGS:
        write_table(tmp_path / f"a{ending}", None, rows)
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "a.feather").read_bytes()
    assert list(open_table(tmp_path / "a.arrow")) == rows
    frame = pd.read_feather(tmp_path / "a.feather")
    assert frame["b"].tolist()[0] == "x"


def test_types_that_another_program_wrote(tmp_path: Path) -> None:
    table = pa.table(
        {
            "time": pa.array([datetime.datetime(2024, 1, 2, 3, 4, 5), None], pa.timestamp("ns")),
            "day": pa.array([datetime.date(2024, 1, 2), None]),
            "span": pa.array([datetime.timedelta(minutes=1), None], pa.duration("us")),
            "price": pa.array([Decimal("1.50"), None]),
            "large": pa.array(["x", None], pa.large_string()),
            "word": pa.array(["x", None]).dictionary_encode(),
            "pairs": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "bytes": pa.array([b"\xff", None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    pyarrow.feather.write_feather(table, str(tmp_path / "a.feather"), compression="zstd")
    assert list(open_table(tmp_path / "a.feather")) == list(open_table(tmp_path / "a.parquet"))


def test_one_large_batch_and_batches_without_rows(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), schema) as writer:
        for count in (0, 5_000, 0):
            writer.write_batch(pa.record_batch([pa.array(range(count), pa.int64())], schema=schema))
    table = open_table(tmp_path / "a.arrow")
    assert table.count == 5_000
    assert [row["n"] for row in table] == list(range(5_000))


def test_a_table_without_rows_or_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "a.arrow", ["a", "b"], [])
    assert open_table(tmp_path / "a.arrow").columns == ("a", "b")
    assert read_frame(tmp_path / "a.arrow").empty
    write_table(tmp_path / "b.arrow", [], [])
    assert open_table(tmp_path / "b.arrow").columns == ()


def test_what_is_not_an_arrow_file(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    write_table(path, None, [{"text": "x" * 1_000} for _ in range(3_000)])
    whole = path.read_bytes()
    wrong = {
        "text": b"a,b\n1,2\n",
        "cut": whole[: len(whole) // 2],
        "feather 1": b"FEA1" + bytes(64),
    }
    for content in wrong.values():
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.arrow: not an Arrow IPC file that can be read"):
            open_table(path)
    path.write_bytes(whole)
    table = open_table(path)
    path.write_bytes(whole[:2_000] + b"\xff" * 200 + whole[2_200:])
    with pytest.raises(DataError, match="the file is damaged"):
        list(table)


def test_a_column_twice(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError, match="`a` stand more than once"):
        open_table(tmp_path / "a.arrow")
