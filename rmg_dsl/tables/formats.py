"""The table of file formats: the only place that knows which ending names which format.

To add a format, write its reader and its sink in a new module, and add a line to `FORMATS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from rmg_dsl.errors import UsageError
from rmg_dsl.tables.arrow_columns import import_pyarrow
from rmg_dsl.tables.arrow_files import open_arrow_sink, read_arrow
from rmg_dsl.tables.csv_files import open_csv_sink, open_tsv_sink, read_csv, read_tsv
from rmg_dsl.tables.inputs import Input
from rmg_dsl.tables.json_files import open_json_sink, read_json
from rmg_dsl.tables.jsonl_files import open_jsonl_sink, read_jsonl
from rmg_dsl.tables.packing import PACKED_ENDING, PackedSink, is_packed
from rmg_dsl.tables.parquet_files import open_parquet_sink, read_parquet
from rmg_dsl.tables.rows import Table
from rmg_dsl.tables.sinks import SinkOpener

TableReader: TypeAlias = Callable[[Input], Table]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Format:
    """A file format, the endings that name it, and how rows of it are read and written.

    `read` is None where it cannot be read. `open_sink` is None where it holds no rows: a report is
    written from a finished run, by `Result.save` and `rmg run -o`. `first_bytes` tell the format on
    standard input. `has_free_columns` says that rows need not share their columns.
    `import_library` raises `DataError` where a library that the format needs is missing.
    `may_be_packed` says that `.gz` may follow the ending.
    """

    name: str
    endings: tuple[str, ...]
    read: TableReader | None = None
    open_sink: SinkOpener | None = None
    first_bytes: bytes = b""
    has_free_columns: bool = False
    import_library: Callable[[], object] = lambda: None
    may_be_packed: bool = False


FORMATS = (
    Format("csv", (".csv",), read_csv, open_csv_sink, may_be_packed=True),
    Format("tsv", (".tsv",), read_tsv, open_tsv_sink, may_be_packed=True),
    Format(
        "jsonl",
        (".jsonl", ".ndjson"),
        read_jsonl,
        open_jsonl_sink,
        b"{",
        has_free_columns=True,
        may_be_packed=True,
    ),
    Format("json", (".json",), read_json, open_json_sink, b"[", True, may_be_packed=True),
    Format(
        "parquet",
        (".parquet",),
        read_parquet,
        open_parquet_sink,
        b"PAR1",
        import_library=import_pyarrow,
    ),
    Format("html", (".html", ".htm")),
    Format(
        "arrow",
        (".arrow", ".feather"),
        read_arrow,
        open_arrow_sink,
        b"ARROW1",
        import_library=import_pyarrow,
    ),
)
_FORMAT_BY_ENDING = {ending: row for row in FORMATS for ending in row.endings}
_READERS: Mapping[str, TableReader] = {
    ending: row.read for ending, row in _FORMAT_BY_ENDING.items() if row.read is not None
}
_SINK_OPENERS: Mapping[str, SinkOpener] = {
    ending: row.open_sink for ending, row in _FORMAT_BY_ENDING.items() if row.open_sink is not None
}
REPORT_ENDINGS = tuple(ending for ending in _FORMAT_BY_ENDING if ending not in _SINK_OPENERS)
# Endings of files that are compressed otherwise. None is read or written; the message says so.
COMPRESSED_ENDINGS = frozenset(".7z .br .bz2 .lz4 .rar .snappy .tgz .xz .z .zip .zst .zstd".split())
_MAX_SHOWN_CHARS = 80


# ── choosing a format ────────────────────────────────────────────────────────────────────────────


def reader_of(path: str | os.PathLike[str]) -> TableReader:
    """The reader of the format that a path's ending names.

    >>> reader_of("rows.ndjson").__name__, reader_of("DATA.CSV").__name__
    ('read_jsonl', 'read_csv')

    An ending of no readable format raises `UsageError` with the endings that can be read.
    """
    return _choose(path, _READERS)


def sink_opener_of(path: str | os.PathLike[str]) -> SinkOpener:
    """The function that opens a sink for the format that a path's ending names.

    >>> sink_opener_of("out.parquet").__name__
    'open_parquet_sink'

    An ending of no format for rows raises `UsageError` with the endings that can be written.
    """
    open_sink = _choose(path, _SINK_OPENERS)
    return partial(PackedSink, open_sink) if is_packed(path) else open_sink


def has_free_columns(path: str | os.PathLike[str]) -> bool:
    """Whether the rows of this file need not share their columns.

    >>> has_free_columns("out.jsonl"), has_free_columns("out.csv")
    (True, False)
    """
    return _choose(path, _FORMAT_BY_ENDING).has_free_columns


def is_report(path: str | os.PathLike[str]) -> bool:
    """Whether the ending names a report for people, and not rows.

    >>> is_report("out.HTML"), is_report("out.csv")
    (True, False)
    """
    return _ending_of(path) in REPORT_ENDINGS


def sniff_reader(start: bytes) -> TableReader:
    """The reader of the format that the first bytes show; CSV where they show no other.

    >>> sniff_reader(b"PAR1").__name__, sniff_reader(b"a,b").__name__
    ('read_parquet', 'read_csv')
    """
    for row in FORMATS:
        if row.read is not None and row.first_bytes and start.startswith(row.first_bytes):
            return row.read
    return read_csv


# ── refusing an ending ───────────────────────────────────────────────────────────────────────────


def check_output_ending(path: str | os.PathLike[str], more_endings: Iterable[str] = ()) -> None:
    """Refuse a path whose ending names no format for rows; `more_endings` are allowed too.

    Raises `UsageError` for the ending, `DataError` where the library of the format is missing.
    """
    more = frozenset(more_endings)
    allowed = {
        ending: row
        for ending, row in _FORMAT_BY_ENDING.items()
        if ending in _SINK_OPENERS or ending in more
    }
    _choose(path, allowed).import_library()


def check_log_ending(path: str | os.PathLike[str]) -> None:
    """Refuse a log, which is JSON lines, under the ending of another format.

    >>> check_log_ending("calls.log")
    >>> check_log_ending("calls.csv")
    Traceback (most recent call last):
        ...
    rmg_dsl.errors.UsageError: the log 'calls.csv' is JSON lines; give it the ending .jsonl, .ndjson

    An ending that names no format is allowed, because it promises none. A compressed ending is
    refused too.
    """
    ending = _ending_of(path)
    log_format = _FORMAT_BY_ENDING[".jsonl"]
    if ending in log_format.endings and not is_packed(path):
        return
    is_taken = ending in _FORMAT_BY_ENDING or ending in COMPRESSED_ENDINGS
    if is_taken or is_packed(path):
        endings = ", ".join(log_format.endings)
        problem = f"is JSON lines{_compression_note(ending)}; give it the ending {endings}"
        raise UsageError(f"the log {_shown_path(path)} {problem}")


def _choose(path: str | os.PathLike[str], table: Mapping[str, _T]) -> _T:
    ending = _ending_of(path)
    if ending in table:
        return table[ending]
    note = _compression_note(ending)
    endings = ", ".join(table)
    problem = f"does not end in {endings}{note}"
    advice = _CONVERSIONS.get(ending)
    if advice is None:
        # A binary file under another name is still binary.
        advice = "convert it" if _is_binary(path) else "give the file one of these endings"
    raise UsageError(f"{_shown_path(path)} {problem}; {advice}")


_EXCEL = "save it as .csv, or give pandas.read_excel(…) as the data"
_CONVERSIONS = {
    ".xlsx": _EXCEL,
    ".xls": _EXCEL,
    ".xlsm": _EXCEL,
    ".ods": _EXCEL,
    ".pkl": "save it as .parquet, or give pandas.read_pickle(…) as the data",
    ".sqlite": "give pandas.read_sql(…) as the data",
    ".db": "give pandas.read_sql(…) as the data",
}


def _is_binary(path: str | os.PathLike[str]) -> bool:
    """Whether a file is there and holds no text."""
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return b"\0" in file.read(1024) or file.tell() == 0
    except (OSError, ValueError):
        return False


def _ending_of(path: str | os.PathLike[str]) -> str:
    """The last ending, in lower case, with its dot; the name of a file may be nothing else."""
    name = os.fspath(path)
    if is_packed(name):
        inner = _ending_of(name[: -len(PACKED_ENDING)])
        is_known = inner in _FORMAT_BY_ENDING and _FORMAT_BY_ENDING[inner].may_be_packed
        return inner if is_known else PACKED_ENDING
    _, dot, ending = name.rpartition(".")
    return (dot + ending).lower()


def _compression_note(ending: str) -> str:
    if ending in COMPRESSED_ENDINGS or ending == PACKED_ENDING:
        return f" (compressed files, such as {ending}, are not supported)"
    return ""


def _shown_path(path: str | os.PathLike[str]) -> str:
    # Text of data given for a path may be very long.
    name = os.fspath(path)
    if len(name) > _MAX_SHOWN_CHARS:
        name = name[: _MAX_SHOWN_CHARS - 3] + "..."
    return repr(name)


# ── lists for help texts ─────────────────────────────────────────────────────────────────────────


def readable_names() -> list[str]:
    """The names of the formats that can be read, in the order of the table.

    >>> readable_names()[:2]
    ['csv', 'tsv']
    """
    return [row.name for row in FORMATS if row.read is not None]


def writable_names() -> list[str]:
    """The names of the formats that rows can be written to, in the order of the table.

    >>> "html" in writable_names()
    False
    """
    return [row.name for row in FORMATS if row.open_sink is not None]


def report_names() -> list[str]:
    """The names of the formats of reports.

    >>> report_names()
    ['html']
    """
    return [row.name for row in FORMATS if row.open_sink is None]
