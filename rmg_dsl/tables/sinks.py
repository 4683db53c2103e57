"""Where rows of one file go: the protocol of a sink, and the sink of every format that is text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import IO, Protocol, TypeAlias

from rmg_dsl.ir.columns import ColumnKind
from rmg_dsl.tables.rows import Row


class Sink(Protocol):
    """Writes the rows of one file, a batch at a time."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write a batch of at least one row."""

    def close(self) -> None:
        """Write the end of the file."""

    def drop(self) -> None:
        """Release resources other than the stream, whether the file is complete or not."""


SinkOpener: TypeAlias = Callable[[IO[bytes], Sequence[str], Mapping[str, ColumnKind]], Sink]


class TextFormat(Protocol):
    """A text format: the text before the rows, the text of a batch, the text after the rows."""

    @property
    def head(self) -> str: ...
    @property
    def tail(self) -> str: ...
    def rows(self, rows: Sequence[Row]) -> str: ...


class TextSink:
    """A sink that writes a text format as UTF-8."""

    def __init__(self, stream: IO[bytes], text: TextFormat) -> None:
        self._stream = stream
        self._text = text
        self._write_encoded(text.head)

    def write(self, rows: Sequence[Row]) -> None:
        self._write_encoded(self._text.rows(rows))

    def close(self) -> None:
        self._write_encoded(self._text.tail)

    def drop(self) -> None:
        pass

    def _write_encoded(self, text: str) -> None:
        # Some models emit half of a surrogate pair, which UTF-8 cannot hold: write its escape.
        self._stream.write(text.encode("utf-8", "backslashreplace"))
