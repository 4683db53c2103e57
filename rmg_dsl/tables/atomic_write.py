"""Atomic writing: a file appears complete under its name, or the name keeps its old content."""

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

from rmg_dsl.errors import DataError

if sys.platform != "win32":
    import fcntl

_FRESH_SECONDS = 60


class AtomicFile:
    """A temporary file beside a target; it replaces the target when it is complete."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._target = os.path.realpath(os.path.expanduser(path))
        folder, name = os.path.split(self._target)
        prefix = f".rmg-{crc32(os.fsencode(name)):08x}-"
        self._temporary = os.path.join(folder, f"{prefix}{secrets.token_hex(8)}.tmp")
        with translate_os_errors(self.path):
            _remove_abandoned(folder, prefix)
            # Not a private temporary file: the umask decides who may read it.
            stream = open(self._temporary, "x+b")  # noqa: SIM115 - `finish` or `drop` closes it
            self.stream = cast(IO[bytes], stream)
        with suppress(OSError):  # some file systems have no locks
            _lock_file(self.stream)

    def finish(self) -> None:
        """Write every byte to the disk, and close the file."""
        with translate_os_errors(self.path):
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()

    def replace_target(self) -> None:
        """Take the name of the target, and its mode if it exists."""
        with translate_os_errors(self.path):
            if os.path.exists(self._target):
                shutil.copymode(self._target, self._temporary)
            os.replace(self._temporary, self._target)

    def drop(self) -> None:
        """Close and delete the temporary file, if it has not replaced the target."""
        with suppress(OSError):
            self.stream.close()
        with suppress(OSError):
            os.unlink(self._temporary)


def _remove_abandoned(folder: str, prefix: str) -> None:
    """Delete temporary files of killed runs: each may be as large as all the rows."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(prefix)]
    paths = [os.path.join(folder, name) for name in names if name.endswith(".tmp")]
    for path in filter(_is_abandoned, paths):
        with suppress(OSError):
            os.unlink(path)


def _is_abandoned(path: str) -> bool:
    """Whether no process has the file locked, and it is older than a minute.

    A younger file may belong to a process that has not locked it yet.
    """
    try:
        with open(path, "rb") as stream:
            _lock_file(stream)
            return time.time() - os.fstat(stream.fileno()).st_mtime > _FRESH_SECONDS
    except OSError:
        return False


def _lock_file(stream: IO[bytes]) -> None:
    """Lock a file until it is closed. Raises OSError where another process has locked it."""
    if sys.platform != "win32":  # Windows does not delete a file that is open
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def translate_os_errors(path: str) -> Iterator[None]:
    """Turn an error of the operating system into a `DataError` that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextmanager
def replace_files(paths: Sequence[str | os.PathLike[str]]) -> Iterator[list[AtomicFile]]:
    """Open files that replace the paths together, when the block ends without an exception.

    After an exception every path is as it was before.
    """
    files: list[AtomicFile] = []
    try:
        for path in paths:
            # Appended one by one, so that a failure drops the files opened before it.
            files.append(AtomicFile(path))  # noqa: PERF401 - see above
        yield files
        # All files are complete on the disk before the first one replaces its target.
        for file in files:
            file.finish()
        for file in files:
            file.replace_target()
    finally:
        for file in files:
            file.drop()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8; only a complete file replaces an existing one.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(pathlib.Path(folder, "report.html"), "<p>Zoë</p>")
    ...     pathlib.Path(folder, "report.html").read_text(encoding="utf-8")
    '<p>Zoë</p>'
    """
    with replace_files([path]) as (file,), translate_os_errors(file.path):
        file.stream.write(text.encode("utf-8", "backslashreplace"))


def why_unwritable(path: str | os.PathLike[str]) -> str | None:
    """Why a file cannot be written at this path, or None; nothing is created.

    >>> why_unwritable("no-such-folder/out.csv")
    'there is no folder no-such-folder'
    """
    name = os.fspath(path)
    folder = os.path.dirname(name) or "."
    target = os.path.realpath(os.path.expanduser(name))
    parent = os.path.dirname(target)
    if os.path.isdir(target):
        return "this is a folder"
    if not os.path.isdir(parent):
        return f"there is no folder {folder}"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"the folder {folder} may not be written to"
    return None
