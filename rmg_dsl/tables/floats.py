"""Floats stored on disk: the numbers of a run that is larger than the memory of the process."""

from __future__ import annotations

import weakref
from array import array
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO

_BLOCK_FLOATS = 2**14


class FloatsOnDisk:
    """An append-only list of floats: the last 16,384 in memory, the others in a nameless file.

    >>> floats = FloatsOnDisk()
    >>> floats.append(0.5); floats.append(2)
    >>> list(floats), len(floats)
    ([0.5, 2.0], 2)

    Where the file cannot be written, the floats stay in memory.
    """

    def __init__(self) -> None:
        self._unspilled = array("d")
        self._file: IO[bytes] | None = None
        self._blocks = 0
        self._has_disk = True

    def append(self, value: float) -> None:
        """Add a number. Raises OverflowError where no float holds it."""
        self._unspilled.append(value)
        if len(self._unspilled) % _BLOCK_FLOATS == 0 and self._has_disk:
            self._spill_block()

    def _spill_block(self) -> None:
        try:
            if self._file is None:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed by the finalizer
                weakref.finalize(self, self._file.close)
            self._file.seek(self._blocks * self._unspilled.itemsize * _BLOCK_FLOATS)
            # An unbuffered write may write less than it was given, without an exception.
            if self._file.write(self._unspilled) < len(self._unspilled) * self._unspilled.itemsize:
                raise OSError("the disk is full")
        except OSError:
            self._has_disk = False
            return
        self._blocks += 1
        self._unspilled = array("d")

    def __len__(self) -> int:
        return self._blocks * _BLOCK_FLOATS + len(self._unspilled)

    def __iter__(self) -> Iterator[float]:
        size = _BLOCK_FLOATS * self._unspilled.itemsize
        for block in range(self._blocks):
            assert self._file is not None
            # Two walks share the position of the file: each seeks before it reads.
            self._file.seek(block * size)
            yield from array("d", self._file.read(size))
        yield from self._unspilled
