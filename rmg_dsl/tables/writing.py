"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, BinaryIO

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.tables.csv_files import csv_lines
from rmg_dsl.tables.inputs import FORMATS, format_of
from rmg_dsl.tables.json_files import aligned, json_lines, jsonl_lines
from rmg_dsl.tables.parquet_files import pyarrow, write_parquet
from rmg_dsl.tables.rows import Row, quoted, union
from rmg_dsl.tables.values import plain

FIRST_ROWS = 1_000


def write_table(path: str | os.PathLike[str], columns: Sequence[str] | None, rows: Iterable[Mapping[str, Any]]) -> None:
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
    come back exactly, else JSON text that `open_table` reads back.

    `rows` may be a stream. Without `columns`, JSON lines and JSON hold each row as it is; CSV and parquet have the
    columns of all rows, or of the first 1,000 of a stream, and a later new one is a `DataError` that names its row.
    With `columns` every row has exactly these. In parquet a value that does not fit its column is a `DataError` too.
    An ending that is not known is a `UsageError`.
    """
    kind = format_of(path)
    sample, walk = _sampled(rows)
    names = columns
    if names is None and kind not in ("json", "jsonl"):
        names = union(sample)
    held = map(plain, walk) if names is None else aligned(_checked(names, walk), names)
    with replacing(path) as stream:
        if kind == "parquet":
            write_parquet(stream, names or (), map(plain, sample), held)
        else:
            stream.writelines(line.encode("utf-8", "backslashreplace") for line in _lines(kind, names or (), held))


def _lines(kind: str, columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    match kind:
        case "json":
            return json_lines(rows)
        case "jsonl":
            return jsonl_lines(rows)
        case _:
            return csv_lines(columns, rows, "\t" if kind == "tsv" else ",")


def _sampled(rows: Iterable[Mapping[str, Any]]) -> tuple[Iterable[Mapping[str, Any]], Iterable[Mapping[str, Any]]]:
    """What may be looked at before the rows are written, and the rows: of a stream only the first ones are known."""
    if not isinstance(rows, Iterator):
        return rows, rows
    first = list(islice(rows, FIRST_ROWS))
    return first, chain(first, rows)


def _checked(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    known = frozenset(columns)
    for place, row in enumerate(rows, 1):
        if not row.keys() <= known:
            new = [name for name in row if name not in known]
            raise DataError(f"row {place} has the new columns {quoted(new)}; the columns are {quoted(columns)}")
        yield plain(row)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write bytes to, which takes the path's place when all went well; else nothing has changed."""
    target = os.path.realpath(os.path.expanduser(path))
    temporary = os.path.join(os.path.dirname(target), f".rmg-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as stream:  # not a private temporary file: the umask decides who may read it
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise DataError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8; a file of that name is replaced only by a finished one.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(pathlib.Path(folder, "report.html"), "<p>Zoë</p>")
    ...     pathlib.Path(folder, "report.html").read_text(encoding="utf-8")
    '<p>Zoë</p>'
    """
    with replacing(path) as stream:
        stream.write(text.encode("utf-8", "backslashreplace"))


def check_writable(path: str | os.PathLike[str], also: Sequence[str] = ()) -> None:
    """Refuse, before any work is done, a path that could not be written after it; `also` are more allowed endings.

    >>> check_writable("no-such-folder/out.csv")
    Traceback (most recent call last):
        ...
    rmg_dsl.errors.DataError: no-such-folder/out.csv: cannot be written: there is no folder no-such-folder

    An ending that is not known is a `UsageError`; a folder that is missing or closed, a path that is a folder, and
    parquet without pyarrow are a `DataError`.
    """
    name = os.fspath(path)
    if os.path.splitext(name)[1].lower() not in also:
        _check_format(name, also)
    target = os.path.realpath(os.path.expanduser(name))
    if problem := _obstacle(target, os.path.dirname(name) or "."):
        raise DataError(f"{name}: cannot be written: {problem}")


def _check_format(name: str, also: Sequence[str]) -> None:
    if os.path.splitext(name)[1].lower() not in FORMATS:
        raise UsageError(f"{name!r} does not end in {', '.join([*FORMATS, *also])}; give it one of these endings")
    if format_of(name) == "parquet":
        pyarrow()


def _obstacle(target: str, folder: str) -> str | None:
    parent = os.path.dirname(target)
    if os.path.isdir(target):
        return "this is a folder"
    if not os.path.isdir(parent):
        return f"there is no folder {folder}"
    return None if os.access(parent, os.W_OK | os.X_OK) else f"the folder {folder} may not be written to"
