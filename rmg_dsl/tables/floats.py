"""Floats that need no memory of their own: the numbers of a run that is larger than what a process should hold."""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO

_BLOCK = 2**14


class FloatsOnDisk:
    """Floats that only grow: the last 16,384 in memory, all before them in a file without a name.

    >>> floats = FloatsOnDisk()
    >>> floats.append(0.5); floats.append(2)
    >>> list(floats), len(floats)
    ([0.5, 2.0], 2)

    Where there is no disk for them they stay in memory.
    """

    def __init__(self) -> None:
        self._fresh = array("d")
        self._file: IO[bytes] | None = None
        self._blocks = 0
        self._has_disk = True

    def append(self, value: float) -> None:
        """One more. Raises OverflowError where no float holds it."""
        self._fresh.append(value)
        if len(self._fresh) % _BLOCK == 0 and self._has_disk:
            self._put_away()

    def _put_away(self) -> None:
        try:
            if self._file is None:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed when nobody holds it any more
                weakref.finalize(self, self._file.close)
            self._file.seek(self._blocks * self._fresh.itemsize * _BLOCK)
            if self._file.write(self._fresh) < len(self._fresh) * self._fresh.itemsize:
                raise OSError("the disk is full")
        except OSError:
            self._has_disk = False
            return
        self._blocks += 1
        self._fresh = array("d")

    def __len__(self) -> int:
        return self._blocks * _BLOCK + len(self._fresh)

    def __iter__(self) -> Iterator[float]:
        size = _BLOCK * self._fresh.itemsize
        for block in range(self._blocks):
            assert self._file is not None
            self._file.seek(block * size)
            yield from array("d", self._file.read(size))
        yield from self._fresh
