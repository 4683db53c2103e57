"""Write rows to files as a stream, a batch at a time, to several files at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.atomic_write import replace_files, translate_os_errors, why_unwritable
from rmg_dsl.tables.formats import check_output_ending, has_free_columns, sink_opener_of
from rmg_dsl.tables.rows import Cell, Row, align_rows, quote_names, union
from rmg_dsl.tables.sinks import Sink
from rmg_dsl.tables.values import to_plain

SAMPLE_ROWS = 1_000
_WRITE_BATCH_ROWS = 1_000


def check_overwrite(
    path: str | os.PathLike[str], words: str, taken: Mapping[str, str | os.PathLike[str]]
) -> None:
    """Raise UsageError where a file to write is one that the run reads, or writes already.

    >>> check_overwrite("out.csv", "-o out.csv", {"the data": "in.csv"})

    `words` names the file in the message, and the keys of `taken` name the others.
    """
    for name, other in taken.items():
        if _is_same_file(path, other):
            raise UsageError(f"{words} would overwrite {name}; give it another name")


def _is_same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        # A device, such as /dev/null, is written more than once and loses nothing.
        return os.path.samefile(one, other) and os.path.isfile(one)
    return os.path.realpath(one) == os.path.realpath(other)


def check_writable(path: str | os.PathLike[str], also: Sequence[str] = ()) -> None:
    """Refuse, before any work, a path that could not be written after it.

    >>> check_writable("gone/out.csv")
    Traceback (most recent call last):
        ...
    rmg_dsl.errors.DataError: gone/out.csv: cannot be written: there is no folder gone

    `also` are endings that are allowed beside those of formats for rows. An unknown ending raises
    `UsageError`. A folder that is missing or not writable, a path that is a folder, and a format
    whose library is missing raise `DataError`.
    """
    check_output_ending(path, also)
    if problem := why_unwritable(path):
        raise DataError(f"{os.fspath(path)}: cannot be written: {problem}")


def write_table(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None,
    rows: Iterable[Mapping[str, Cell]],
    kinds: Mapping[str, ColumnKind] | None = None,
) -> None:
    """Write rows in the format that the path's ending names; only a complete file replaces another.

    >>> import pathlib, tempfile
    >>> from rmg_dsl.tables import write_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "out.csv")
    ...     rows = [{"id": "a", "score": 4.5}, {"id": "b", "score": None}]
    ...     write_table(path, ["id", "score"], rows)
    ...     print(path.read_text(encoding="utf-8"), end="")
    id,score
    a,4.5
    b,

    None, NaN and infinities are `null` in JSON and an empty cell in CSV; nested values are JSON
    text in CSV. Floats read back the same. In parquet a column has a native type where all its
    values read back exactly; otherwise it is JSON text, which `open_table` decodes. `kinds` are the
    kinds of columns that are known beforehand.

    `rows` may be an iterator. Without `columns`, JSON formats hold each row as it is. Any other
    format has the columns of all rows, or of the first 1,000 of an iterator; a later row with a new
    column raises `DataError` with the number of the row. With `columns`, every row has exactly
    these. An unknown ending raises `UsageError`.
    """
    sample, all_rows = _peek_rows(rows)
    if columns is None and not has_free_columns(path):
        columns = union(sample)
    plain_rows = _plain_rows(columns, all_rows)
    with open_writer([path], columns or (), kinds) as writer:
        for row in plain_rows:
            writer.add(row)


def _peek_rows(
    rows: Iterable[Mapping[str, Cell]],
) -> tuple[Iterable[Mapping[str, Cell]], Iterable[Mapping[str, Cell]]]:
    """The rows that can be read before writing, of an iterator the first ones, and all the rows."""
    if not isinstance(rows, Iterator):
        return rows, rows
    first = list(islice(rows, SAMPLE_ROWS))
    return first, chain(first, rows)


def _plain_rows(columns: Sequence[str] | None, rows: Iterable[Mapping[str, Cell]]) -> Iterator[Row]:
    if columns is None:
        return map(to_plain, rows)
    return align_rows(_check_columns(columns, rows), tuple(columns))


def _check_columns(columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> Iterator[Row]:
    allowed = frozenset(columns)
    for place, row in enumerate(rows, 1):
        if not row.keys() <= allowed:
            new = quote_names([name for name in row if name not in allowed])
            expected = quote_names(columns)
            raise DataError(f"row {place} has the new columns {new}; the columns are {expected}")
        yield to_plain(row)


# ── rows as they come ────────────────────────────────────────────────────────────────────────────


@contextmanager
def open_writer(
    paths: Sequence[str | os.PathLike[str]],
    columns: Sequence[str],
    kinds: Mapping[str, ColumnKind] | None = None,
) -> Iterator[TableWriter]:
    """Open files that receive the same rows, one by one; they appear together at the end.

    >>> import pathlib, tempfile
    >>> from rmg_dsl.tables import open_writer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [pathlib.Path(folder, name) for name in ("out.csv", "out.jsonl")]
    ...     with open_writer(paths, ["id"]) as writer:
    ...         writer.add({"id": 7})
    ...     [path.read_text(encoding="utf-8") for path in paths]
    ['id\\n7\\n', '{"id": 7}\\n']

    Every row has plain values and exactly the columns, in their order. Memory holds some thousand
    rows. After an exception no file has changed. An unknown ending raises `UsageError`.
    """
    # All endings are checked before the first file is created.
    openers = [sink_opener_of(path) for path in paths]
    with replace_files(paths) as files:
        writer = TableWriter()
        try:
            for open_sink, file in zip(openers, files, strict=True):
                with translate_os_errors(file.path):
                    sink = open_sink(file.stream, columns, kinds or {})
                writer.sinks.append((file.path, sink))
            yield writer
            writer.close()
        finally:
            writer.drop()


class TableWriter:
    """Collects rows and writes them, a batch at a time, to every file.

    One thread may drop it while another one adds rows: rows added after that are not written.
    """

    def __init__(self) -> None:
        self.sinks: list[tuple[str, Sink]] = []
        self._rows: list[Row] = []
        self._sinks_lock = threading.Lock()

    def add(self, row: Row) -> None:
        """Add a row. Raises DataError where a file cannot be written."""
        self._rows.append(row)
        if len(self._rows) >= _WRITE_BATCH_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the rest of the rows and the end of each file."""
        self._flush()
        for path, sink in self.sinks:
            with translate_os_errors(path):
                sink.close()

    def drop(self) -> None:
        """Release the sinks, whether their files are complete or not; no more rows are written."""
        with self._sinks_lock:
            for _, sink in self.sinks:
                sink.drop()
            self.sinks = []

    def _flush(self) -> None:
        rows = self._rows
        self._rows = []
        if not rows:
            return
        with self._sinks_lock:
            for path, sink in self.sinks:
                with translate_os_errors(path):
                    sink.write(rows)
