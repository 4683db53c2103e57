"""Files packed by gzip (`rows.csv.gz`), read and written as streams."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from rmg_dsl.errors import DataError
from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.rows import Row
from rmg_dsl.tables.sinks import Sink, SinkOpener

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PACKED_ENDING = ".gz"
# Text is packed to a tenth or so. A file of zeros, which is packed to a thousandth, has no rows.
_MOST_TIMES = 200
_FREE_BYTES = 2**26


def is_packed(path: str | os.PathLike[str]) -> bool:
    """Whether the ending of a path says that the file is packed.

    >>> is_packed("rows.CSV.gz"), is_packed("rows.csv")
    (True, False)
    """
    return os.fspath(path).lower().endswith(PACKED_ENDING)


def open_unpacked(path: str) -> BinaryIO:
    """A stream of the unpacked bytes. It raises DataError for a file that is damaged or a bomb."""
    return cast(BinaryIO, io.BufferedReader(_Unpacked(path)))


class _Unpacked(io.RawIOBase):
    """The bytes of a packed file, as many as its size allows."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._most_bytes = _FREE_BYTES + _MOST_TIMES * os.path.getsize(path)
        self._read_bytes = 0
        self._file = gzip.GzipFile(path, "rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            block = self._file.read(memoryview(buffer).nbytes)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self._path}: not a gzip file that can be read: {error}") from None
        self._read_bytes += len(block)
        if self._read_bytes > self._most_bytes:
            raise DataError(f"{self._path}: it unpacks to more than {_MOST_TIMES} times its size")
        memoryview(buffer).cast("B")[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()


class PackedSink:
    """Packs what the sink of a text format writes. Equal rows give equal bytes."""

    def __init__(
        self,
        open_sink: SinkOpener,
        stream: IO[bytes],
        columns: Sequence[str],
        kinds: Mapping[str, ColumnKind],
    ) -> None:
        # Without the name and the time, which would differ from run to run.
        self._packer = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
        self._sink: Sink = open_sink(cast("IO[bytes]", self._packer), columns, kinds)

    def write(self, rows: Sequence[Row]) -> None:
        self._sink.write(rows)

    def close(self) -> None:
        self._sink.close()
        self._packer.close()

    def drop(self) -> None:
        self._sink.drop()
