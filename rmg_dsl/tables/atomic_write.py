"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast
from zlib import crc32

from rmg_dsl.errors import DataError, UsageError
from rmg_dsl.tables.inputs import FORMATS, format_of
from rmg_dsl.tables.parquet_files import import_pyarrow

if sys.platform != "win32":
    import fcntl

_FRESH_SECONDS = 60


class AtomicFile:
    """A file to write bytes to, beside the one whose place it takes when it is whole."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._target = os.path.realpath(os.path.expanduser(path))
        folder, name = os.path.split(self._target)
        ours = f".rmg-{crc32(os.fsencode(name)):08x}-"
        self._temporary = os.path.join(folder, f"{ours}{secrets.token_hex(8)}.tmp")
        with translate_os_errors(self.path):
            _remove_abandoned(folder, ours)
            # Not a private temporary file: the umask decides who may read it.
            self.stream = cast(IO[bytes], open(self._temporary, "x+b"))  # noqa: SIM115 - closed by `finish` or `drop`
        with suppress(OSError):  # a disk without locks
            _lock_file(self.stream)

    def finish(self) -> None:
        """See to it that every byte is on the disk."""
        with translate_os_errors(self.path):
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()

    def replace_target(self) -> None:
        """Become the file of that name."""
        with translate_os_errors(self.path):
            if os.path.exists(self._target):
                shutil.copymode(self._target, self._temporary)
            os.replace(self._temporary, self._target)

    def drop(self) -> None:
        """Leave nothing behind, unless it has taken its place."""
        with suppress(OSError):
            self.stream.close()
        with suppress(OSError):
            os.unlink(self._temporary)


def _remove_abandoned(folder: str, ours: str) -> None:
    """Remove what runs that were killed have left of the same file: such a file may be as large as the rows are."""
    with os.scandir(folder) as entries:
        left = [
            entry.path
            for entry in entries
            if entry.name.startswith(ours) and entry.name.endswith(".tmp")
        ]
    for path in filter(_is_abandoned, left):
        with suppress(OSError):
            os.unlink(path)


def _is_abandoned(path: str) -> bool:
    """Whether nobody holds it; for a minute it may be one that somebody has not locked yet."""
    try:
        with open(path, "rb") as stream:
            _lock_file(stream)
            return time.time() - os.fstat(stream.fileno()).st_mtime > _FRESH_SECONDS
    except OSError:
        return False


def _lock_file(stream: IO[bytes]) -> None:
    """Hold a file as long as it is open. Raises OSError where another process does."""
    if sys.platform != "win32":  # which lets nobody remove a file that is open
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def translate_os_errors(path: str) -> Iterator[None]:
    """What the system says of a file, as an error that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def replace_files(paths: Sequence[str | os.PathLike[str]]) -> Iterator[list[AtomicFile]]:
    """Files to write bytes to, which take the paths' places when all went well; else nothing has changed."""
    files: list[AtomicFile] = []
    try:
        for path in paths:
            files.append(AtomicFile(path))  # noqa: PERF401 - those that were opened before one fails are dropped
        yield files
        for file in files:
            file.finish()
        for file in files:
            file.replace_target()
    finally:
        for file in files:
            file.drop()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8; a file of that name is replaced only by a finished one.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(pathlib.Path(folder, "report.html"), "<p>Zoë</p>")
    ...     pathlib.Path(folder, "report.html").read_text(encoding="utf-8")
    '<p>Zoë</p>'
    """
    with replace_files([path]) as (file,), translate_os_errors(file.path):
        file.stream.write(text.encode("utf-8", "backslashreplace"))


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
    if problem := _why_unwritable(target, os.path.dirname(name) or "."):
        raise DataError(f"{name}: cannot be written: {problem}")


def _check_format(name: str, also: Sequence[str]) -> None:
    if os.path.splitext(name)[1].lower() not in FORMATS:
        raise UsageError(
            f"{name!r} does not end in {', '.join([*FORMATS, *also])}; give it one of these endings"
        )
    if format_of(name) == "parquet":
        import_pyarrow()


def _why_unwritable(target: str, folder: str) -> str | None:
    parent = os.path.dirname(target)
    if os.path.isdir(target):
        return "this is a folder"
    if not os.path.isdir(parent):
        return f"there is no folder {folder}"
    return (
        None
        if os.access(parent, os.W_OK | os.X_OK)
        else f"the folder {folder} may not be written to"
    )
