"""Sources of bytes: a file or standard input, opened again for every walk over the rows."""

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
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from rmg_dsl.errors import DataError
from rmg_dsl.tables.packing import is_packed, open_unpacked

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 2**16
_MAX_MEMORY_BYTES = 2**24
_SNIFFED_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes with a name for messages; each `open()` gives a new stream from the first byte."""

    name: str
    open: Callable[[], BinaryIO]

    def data_error(self, problem: str, line: int | None = None) -> DataError:
        """The error for a mistake in these bytes, with the number of its line if there is one."""
        if line is None:
            return DataError(f"{self.name}: {problem}")
        return DataError(f"{self.name}:{line}: {problem}")


def file_input(path: str | os.PathLike[str]) -> Input:
    """The bytes of a file; `DataError` where it is missing, empty, a folder or not readable."""
    name = os.fspath(path)
    real = os.path.expanduser(name)
    if os.path.isdir(real):
        raise DataError(f"{name}: this is a folder; name a file in it")
    if os.path.exists(real) and not os.path.isfile(real):
        # A pipe could be read once only, and opening it may wait for ever.
        raise DataError(f"{name}: this is no ordinary file; pipe the rows in, with - as DATA")
    try:
        with open(real, "rb") as stream:
            is_empty = not stream.read(1)
    except FileNotFoundError:
        folder = os.getcwd()
        problem = f"there is no such file (looked from the folder {folder})"
        raise DataError(f"{name}: {problem}") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    opener = open_unpacked if is_packed(name) else _open_binary
    source = Input(name, partial(opener, real))
    return _refuse_empty(source, is_empty)


def _open_binary(path: str) -> BinaryIO:
    return open(path, "rb")


def stdin_input(stdin: IO[str] | IO[bytes] | None) -> tuple[bytes, Input]:
    """All of standard input, stored so that it can be read again, and its first bytes.

    The first bytes come without a byte order mark and leading white space; they tell the format.
    """
    buffer = _ReplayBuffer()
    for block in _byte_blocks(sys.stdin.buffer if stdin is None else stdin):
        buffer.add(block)
    source = Input("<stdin>", buffer.open)
    with source.open() as stream:
        start = stream.read(_SNIFFED_BYTES).removeprefix(_UTF8_MARK).lstrip()
    return start, _refuse_empty(source, not start)


def _byte_blocks(stream: IO[str] | IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK_BYTES):
        if isinstance(block, bytes):
            yield block
        else:
            yield block.encode("utf-8", "surrogatepass")


class _ReplayBuffer:
    """Bytes of a stream that can be read once: the first 16 MB in memory, more in a file.

    The file has no name and is deleted with this object.
    """

    def __init__(self) -> None:
        # The finalizer closes it.
        self._file = SpooledTemporaryFile(max_size=_MAX_MEMORY_BYTES)  # noqa: SIM115 - see above
        self._buffer_lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def add(self, block: bytes) -> None:
        self._file.write(block)

    def open(self) -> BinaryIO:
        """A new stream over all the bytes, with a position of its own."""
        return cast(BinaryIO, io.BufferedReader(_ReplayStream(self)))

    def read(self, start: int, count: int) -> bytes:
        # Walks share one file, and so its position.
        with self._buffer_lock:
            self._file.seek(start)
            return self._file.read(count)

    def byte_count(self) -> int:
        with self._buffer_lock:
            return self._file.seek(0, io.SEEK_END)


class _ReplayStream(io.RawIOBase):
    """One position in the bytes of a buffer that several streams share."""

    def __init__(self, buffer: _ReplayBuffer) -> None:
        self._buffer = buffer
        self._position = 0

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

    def readinto(self, target: WriteableBuffer) -> int:
        view = memoryview(target)
        block = self._buffer.read(self._position, len(view))
        view[: len(block)] = block
        self._position += len(block)
        return len(block)


def _refuse_empty(source: Input, is_empty: bool) -> Input:
    if is_empty:
        raise source.data_error("the file is empty; a table needs a header or at least one row")
    return source


def decode_line(source: Input, line: int, raw: bytes) -> str:
    """Decode one line; bytes that are not UTF-8 raise `DataError` with the number of the line."""
    text = raw.removeprefix(_UTF8_MARK) if line == 1 else raw
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _utf8_error(source, line, raw, error) from None


def _utf8_error(source: Input, line: int, raw: bytes, error: UnicodeDecodeError) -> DataError:
    encoding = "cp1252"
    if raw.startswith(_UTF16_MARKS):
        encoding = "utf-16"
    byte = error.object[error.start]
    return source.data_error(
        f"byte {byte:#04x} is not UTF-8 text; save the file as UTF-8, or read it with pandas "
        f'(encoding="{encoding}", say) and pass the frame',
        line,
    )


def find_utf8_error(source: Input) -> DataError:
    """The error for the first line that is not UTF-8.

    A text stream decodes ahead of the line that it gives, so a walk over the bytes finds the line.
    """
    with source.open() as stream:
        for line, raw in enumerate(stream, 1):
            try:
                decode_line(source, line, raw)
            except DataError as error:
                return error
    return source.data_error("the file is not UTF-8 text, or it changed while it was read")


def open_text(source: Input) -> IO[str]:
    """The bytes as text, without a byte order mark, with the line breaks as they are."""
    return cast(IO[str], io.TextIOWrapper(source.open(), encoding="utf-8-sig", newline=""))
