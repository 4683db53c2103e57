"""Rows to files, a batch at a time: each format as a stream, several of them at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO, Any, Protocol

from rmg_dsl.errors import DataError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.atomic_write import replace_files, translate_os_errors
from rmg_dsl.tables.csv_files import CsvText
from rmg_dsl.tables.inputs import format_of
from rmg_dsl.tables.json_files import JsonLinesText, JsonListText, align_rows
from rmg_dsl.tables.parquet_writing import ParquetWriter
from rmg_dsl.tables.rows import Row, quote_names, union
from rmg_dsl.tables.values import to_plain

SAMPLE_ROWS = 1_000
_WRITE_BATCH_ROWS = 1_000


def write_table(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None,
    rows: Iterable[Mapping[str, Any]],
    kinds: Mapping[str, ColumnKind] | None = None,
) -> None:
    """Write rows to the format that the path ends in; a file of that name is replaced only by a finished one.

    >>> import pathlib, tempfile
    >>> from rmg_dsl.tables import write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "out.csv")
    ...     write_table(path, ["id", "score"], [{"id": "a", "score": 4.5}, {"id": "b", "score": None}])
    ...     print(path.read_text(encoding="utf-8"), end="")
    id,score
    a,4.5
    b,

    No score is `null` in JSON and an empty cell in CSV, where nested values are JSON text; what is not finite is no
    score. Floats are written so that they read back the same. In parquet a column is native where all its values
    come back exactly, else JSON text that `open_table` reads back; `kinds` name what is known of a column beforehand.

    `rows` may be a stream. Without `columns`, JSON lines and JSON hold each row as it is; CSV and parquet have the
    columns of all rows, or of the first 1,000 of a stream, and a later new one is a `DataError` that names its row.
    With `columns` every row has exactly these. An ending that is not known is a `UsageError`.
    """
    sample, walk = _peek_rows(rows)
    names = columns
    if names is None and format_of(path) not in ("json", "jsonl"):
        names = union(sample)
    held = (
        map(to_plain, walk)
        if names is None
        else align_rows(_check_columns(names, walk), tuple(names))
    )
    with open_writer([path], names or (), kinds) as writer:
        for row in held:
            writer.add(row)


def _peek_rows(
    rows: Iterable[Mapping[str, Any]],
) -> tuple[Iterable[Mapping[str, Any]], Iterable[Mapping[str, Any]]]:
    """What may be looked at before the rows are written, and the rows: of a stream only the first ones are known."""
    if not isinstance(rows, Iterator):
        return rows, rows
    first = list(islice(rows, SAMPLE_ROWS))
    return first, chain(first, rows)


def _check_columns(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    known = frozenset(columns)
    for place, row in enumerate(rows, 1):
        if not row.keys() <= known:
            new = [name for name in row if name not in known]
            raise DataError(
                f"row {place} has the new columns {quote_names(new)}; the columns are {quote_names(columns)}"
            )
        yield to_plain(row)


# ── rows as they come ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def open_writer(
    paths: Sequence[str | os.PathLike[str]],
    columns: Sequence[str],
    kinds: Mapping[str, ColumnKind] | None = None,
) -> Iterator[TableWriter]:
    """Files of the same rows, which come one by one; they take their places together, when all went well.

    >>> import pathlib, tempfile
    >>> from rmg_dsl.tables import open_writer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [pathlib.Path(folder, name) for name in ("out.csv", "out.jsonl")]
    ...     with open_writer(paths, ["id"]) as writer:
    ...         writer.add({"id": 7})
    ...     [path.read_text(encoding="utf-8") for path in paths]
    ['id\\n7\\n', '{"id": 7}\\n']

    Every row is of plain values and has exactly the columns, in their order. Memory holds some thousand rows.
    """
    formats = [format_of(path) for path in paths]
    with replace_files(paths) as files:
        writer = TableWriter()
        try:
            for kind, file in zip(formats, files, strict=True):
                with translate_os_errors(file.path):
                    writer.sinks.append(
                        (file.path, _make_sink(kind, file.stream, columns, kinds or {}))
                    )
            yield writer
            writer.close()
        finally:
            writer.drop()


class TableWriter:
    """Takes rows, and writes them a batch at a time to every file.

    One thread may drop it while another one adds: what is added after that is not wanted any more.
    """

    def __init__(self) -> None:
        self.sinks: list[tuple[str, _Sink]] = []
        self._rows: list[Row] = []
        self._sinks_lock = threading.Lock()

    def add(self, row: Row) -> None:
        """One more row. Raises DataError where a file cannot be written."""
        self._rows.append(row)
        if len(self._rows) >= _WRITE_BATCH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left, and what stands at the end of each file."""
        self._flush()
        for path, sink in self.sinks:
            with translate_os_errors(path):
                sink.close()

    def drop(self) -> None:
        """Let go of the files, whole or not: nothing more is written."""
        with self._sinks_lock:
            for _, sink in self.sinks:
                sink.drop()
            self.sinks = []

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        with self._sinks_lock:
            for path, sink in self.sinks if rows else ():
                with translate_os_errors(path):
                    sink.write(rows)


class _Sink(Protocol):
    """One file of rows."""

    def write(self, rows: Sequence[Row]) -> None:
        """At least one row."""

    def close(self) -> None:
        """What stands at the end."""

    def drop(self) -> None:
        """Let go of what is held beside the file."""


class _TextFormat(Protocol):
    """A format that is text: what stands before the rows, the rows, what stands after them."""

    @property
    def head(self) -> str: ...
    @property
    def tail(self) -> str: ...
    def rows(self, rows: Sequence[Row]) -> str: ...


class _TextSink:
    def __init__(self, stream: IO[bytes], text: _TextFormat) -> None:
        self._stream, self._text = stream, text
        self._write_encoded(text.head)

    def write(self, rows: Sequence[Row]) -> None:
        self._write_encoded(self._text.rows(rows))

    def close(self) -> None:
        self._write_encoded(self._text.tail)

    def drop(self) -> None:
        pass

    def _write_encoded(self, text: str) -> None:
        self._stream.write(text.encode("utf-8", "backslashreplace"))


def _make_sink(
    kind: str, stream: IO[bytes], columns: Sequence[str], kinds: Mapping[str, ColumnKind]
) -> _Sink:
    match kind:
        case "parquet":
            return ParquetWriter(stream, columns, kinds)
        case "json":
            return _TextSink(stream, JsonListText())
        case "jsonl":
            return _TextSink(stream, JsonLinesText())
        case _:
            return _TextSink(stream, CsvText(columns, "\t" if kind == "tsv" else ","))
