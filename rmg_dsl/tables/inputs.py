"""Where bytes come from: a file or standard input, opened again for every walk over the rows."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, BinaryIO, cast

from rmg_dsl.errors import DataError, UsageError

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes under a name for messages; `open` gives a fresh stream from the first byte each time."""

    name: str
    open: Callable[[], BinaryIO]

    def fault(self, problem: str, line: int | None = None) -> DataError:
        """The error for a mistake in these bytes, with its line where there is one."""
        return DataError(f"{self.name}: {problem}" if line is None else f"{self.name}:{line}: {problem}")


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a path's ending names; another ending is a `UsageError` that lists what is allowed.

    >>> format_of("rows.ndjson"), format_of("OUT.CSV")
    ('jsonl', 'csv')
    """
    name = os.fspath(path)
    found = FORMATS.get(os.path.splitext(name)[1].lower())
    if found is None:
        shown = name if len(name) <= 80 else name[:77] + "..."
        raise UsageError(f"{shown!r} does not end in {', '.join(FORMATS)}; give the file one of these endings")
    return found


def file_input(path: str | os.PathLike[str]) -> Input:
    """A file that exists, is a file and is not empty."""
    name = os.fspath(path)
    real = os.path.expanduser(name)
    if os.path.isdir(real):
        raise DataError(f"{name}: this is a folder; name a file in it")
    try:
        with open(real, "rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError:
        raise DataError(f"{name}: there is no such file (looked from the folder {os.getcwd()})") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    found = Input(name, partial(_opened, real))
    return _not_empty(found, empty)


def _opened(path: str) -> BinaryIO:
    return open(path, "rb")


def stdin_input(stdin: IO[str] | IO[bytes] | None) -> tuple[str, Input]:
    """All of standard input, kept so that it can be walked again, and the format that its first characters show.

    `[` is JSON, `{` is JSON lines, a parquet file shows its own mark, anything else is CSV.
    """
    stream = sys.stdin.buffer if stdin is None else stdin
    read = stream.read()
    data = read if isinstance(read, bytes) else read.encode("utf-8", "surrogatepass")
    start = data[:4096].removeprefix(_BOM).lstrip()
    found = Input("<stdin>", lambda: io.BytesIO(data))
    kind = {b"[": "json", b"{": "jsonl"}.get(start[:1], "parquet" if start[:4] == b"PAR1" else "csv")
    return kind, _not_empty(found, not start)


def _not_empty(found: Input, empty: bool) -> Input:
    if empty:
        raise found.fault("the file is empty; a table needs a header or at least one row")
    return found


def decoded(found: Input, line: int, raw: bytes) -> str:
    """One line of bytes as text; bytes that are not UTF-8 are a `DataError` that names the line."""
    try:
        return raw.removeprefix(_BOM).decode("utf-8") if line == 1 else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(found, line, raw, error) from None


def _not_utf8(found: Input, line: int, raw: bytes, error: UnicodeDecodeError) -> DataError:
    guess = "utf-16" if raw.startswith(_UTF16) else "cp1252"
    return found.fault(
        f"byte {error.object[error.start]:#04x} is not UTF-8 text; save the file as UTF-8, or read it with pandas "
        f'(encoding="{guess}", say) and pass the frame',
        line,
    )


def undecodable(found: Input) -> DataError:
    """The error for the first line that is not UTF-8, found by a walk of its own, because decoders read ahead."""
    with found.open() as stream:
        for line, raw in enumerate(stream, 1):
            try:
                decoded(found, line, raw)
            except DataError as error:
                return error
    return found.fault("the file is not UTF-8 text, or it changed while it was read")


def text_of(found: Input) -> IO[str]:
    """The bytes as text, a byte order mark dropped, line breaks as they are."""
    return cast(IO[str], io.TextIOWrapper(found.open(), encoding="utf-8-sig", newline=""))
