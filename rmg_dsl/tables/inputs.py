"""Where bytes come from: a file or standard input, opened again for every walk over the rows."""

from __future__ import annotations

import io
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, cast

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
_BLOCK_BYTES, _MAX_MEMORY_BYTES = 2**16, 2**24


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes under a name for messages; `open` gives a fresh stream from the first byte each time."""

    name: str
    open: Callable[[], BinaryIO]

    def data_error(self, problem: str, line: int | None = None) -> DataError:
        """The error for a mistake in these bytes, with its line where there is one."""
        return DataError(
            f"{self.name}: {problem}" if line is None else f"{self.name}:{line}: {problem}"
        )


def format_of(path: str | os.PathLike[str]) -> str:
    """The format that a path's ending names; another ending is a `UsageError` that lists what is allowed.

    >>> format_of("rows.ndjson"), format_of("OUT.CSV")
    ('jsonl', 'csv')
    """
    name = os.fspath(path)
    found = FORMATS.get(os.path.splitext(name)[1].lower())
    if found is None:
        shown = name if len(name) <= 80 else name[:77] + "..."
        raise UsageError(
            f"{shown!r} does not end in {', '.join(FORMATS)}; give the file one of these endings"
        )
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
        raise DataError(
            f"{name}: there is no such file (looked from the folder {os.getcwd()})"
        ) from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    found = Input(name, partial(_open_binary, real))
    return _refuse_empty(found, empty)


def _open_binary(path: str) -> BinaryIO:
    return open(path, "rb")


def stdin_input(stdin: IO[str] | IO[bytes] | None) -> tuple[str, Input]:
    """All of standard input, kept so that it can be walked again, and the format that its first characters show.

    `[` is JSON, `{` is JSON lines, a parquet file shows its own mark, anything else is CSV.
    """
    kept = _ReplayBuffer()
    for block in _byte_blocks(sys.stdin.buffer if stdin is None else stdin):
        kept.add(block)
    found = Input("<stdin>", kept.open)
    with found.open() as stream:
        start = stream.read(4096).removeprefix(_BOM).lstrip()
    kind = {b"[": "json", b"{": "jsonl"}.get(
        start[:1], "parquet" if start[:4] == b"PAR1" else "csv"
    )
    return kind, _refuse_empty(found, not start)


def _byte_blocks(stream: IO[str] | IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK_BYTES):
        yield block if isinstance(block, bytes) else block.encode("utf-8", "surrogatepass")


class _ReplayBuffer:
    """Bytes that came once: few of them in memory, more in a file that is gone with this object."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_MAX_MEMORY_BYTES)  # noqa: SIM115 - closed when nobody holds it any more
        self._buffer_lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def add(self, block: bytes) -> None:
        self._file.write(block)

    def open(self) -> BinaryIO:
        """A walk of its own over all of them."""
        return cast(BinaryIO, io.BufferedReader(_ReplayStream(self)))

    def read(self, start: int, count: int) -> bytes:
        with self._buffer_lock:
            self._file.seek(start)
            return self._file.read(count)

    def byte_count(self) -> int:
        with self._buffer_lock:
            return self._file.seek(0, io.SEEK_END)


class _ReplayStream(io.RawIOBase):
    """A place in bytes that several walks share."""

    def __init__(self, kept: _ReplayBuffer) -> None:
        self._buffer, self._position = kept, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        bases = {
            io.SEEK_SET: 0,
            io.SEEK_CUR: self._position,
            io.SEEK_END: self._buffer.byte_count(),
        }
        self._position = bases[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        block = self._buffer.read(self._position, len(buffer))
        buffer[: len(block)] = block
        self._position += len(block)
        return len(block)


def _refuse_empty(found: Input, empty: bool) -> Input:
    if empty:
        raise found.data_error("the file is empty; a table needs a header or at least one row")
    return found


def decode_line(found: Input, line: int, raw: bytes) -> str:
    """One line of bytes as text; bytes that are not UTF-8 are a `DataError` that names the line."""
    try:
        return raw.removeprefix(_BOM).decode("utf-8") if line == 1 else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _utf8_error(found, line, raw, error) from None


def _utf8_error(found: Input, line: int, raw: bytes, error: UnicodeDecodeError) -> DataError:
    guess = "utf-16" if raw.startswith(_UTF16) else "cp1252"
    return found.data_error(
        f"byte {error.object[error.start]:#04x} is not UTF-8 text; save the file as UTF-8, or read it with pandas "
        f'(encoding="{guess}", say) and pass the frame',
        line,
    )


def find_utf8_error(found: Input) -> DataError:
    """The error for the first line that is not UTF-8, found by a walk of its own, because decoders read ahead."""
    with found.open() as stream:
        for line, raw in enumerate(stream, 1):
            try:
                decode_line(found, line, raw)
            except DataError as error:
                return error
    return found.data_error("the file is not UTF-8 text, or it changed while it was read")


def open_text(found: Input) -> IO[str]:
    """The bytes as text, a byte order mark dropped, line breaks as they are."""
    return cast(IO[str], io.TextIOWrapper(found.open(), encoding="utf-8-sig", newline=""))
