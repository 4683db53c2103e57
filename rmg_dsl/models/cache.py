"""The reply cache: one SQLite file that many processes may share. A reply is paid for once."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import queue
import sqlite3
import stat
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import quote
from weakref import WeakValueDictionary

# The version of the layout, of the table and of its values: no two versions share a file.
FILE_NAME = "replies-1.sqlite3"
MOST_BYTES = 4 << 30

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, key BLOB NOT NULL, made REAL NOT NULL,
    used REAL NOT NULL, value BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS by_hash ON replies (hash);
"""
_SELECT_REPLIES = "SELECT key, value, used, made FROM replies WHERE hash IN ({})"
_MAX_KEYS_PER_QUERY = 500
_UPSERT_REPLY = """
INSERT INTO replies (hash, key, made, used, value) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET
    key = excluded.key, made = excluded.made, used = excluded.used, value = excluded.value
WHERE made < ? OR made > excluded.made
"""
_TOUCH_REPLY = "UPDATE replies SET used = ? WHERE hash = ?"
# About what a row takes beside its value: the key, the times, the entry in the index.
_ROW_OVERHEAD_BYTES = 100
_PRUNE_REPLIES = f"""
DELETE FROM replies WHERE id IN (
    SELECT id FROM (
        SELECT id, sum(length(value) + {_ROW_OVERHEAD_BYTES})
            OVER (ORDER BY used DESC, id DESC) AS running_bytes
        FROM replies
    ) WHERE running_bytes > ?
)
"""
_LOCK_SECONDS = 10.0
_LOCK_TRIES = 6
# The last use of a reply is noted at most this often: a use costs no write each time.
_TOUCH_INTERVAL_SECONDS = 3600.0
_MIN_COMPRESS_BYTES = 2048
_ZLIB_PREFIX = b"x"
# Replies arrive many at a time: one transaction for a few of them takes a fifth of the time.
_BATCH_DELAY_SECONDS = 0.002
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EROFS})
_CHECKSUM_BYTES = 4

WallClock: TypeAlias = Callable[[], float]


class CacheError(Exception):
    """The cache cannot be used; the message says why. It never stops a run."""


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds: where it is, how many replies, and the bytes of its files."""

    path: Path
    replies: int
    bytes: int


class _CacheWrite(NamedTuple):
    """A task of the writer: store a value or, where it is None, note the use of a reply."""

    key: bytes
    value: bytes | None
    written_at: float
    since: float


class _PendingWrites(dict[bytes, _CacheWrite]):
    """The values of one file that are not on disk yet, of all caches of this process."""


_PENDING_WRITES: WeakValueDictionary[Path, _PendingWrites] = WeakValueDictionary()


class ReplyCache:
    """A store of bytes by keys of 32 bytes, the hashes of requests.

    The file opens at the first use.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> cache = ReplyCache(Path(folder.name) / "cache" / FILE_NAME)
    >>> cache.put(b"k" * 32, b'{"a": 1}')
    >>> cache.get(b"k" * 32)
    b'{"a": 1}'
    >>> cache.close()
    >>> folder.cleanup()

    `get` and `put` never raise: where the file cannot be read or written, `note` says so and the
    run goes on without a cache. A thread commits values in batches: a kill loses those of the last
    few milliseconds at most. `get` is for one thread at a time. `close()` waits until all is
    committed.

    Times are in seconds since the epoch. A value from before `since` is not returned, and is
    overwritten, so that a run can ignore the replies of older runs. `most_bytes` limits the file.
    """

    def __init__(
        self, path: Path, *, clock: WallClock = time.time, most_bytes: int = MOST_BYTES
    ) -> None:
        self.path = path
        self.note = ""
        self.clock = clock
        self._most_bytes = most_bytes
        self._reader: sqlite3.Connection | None = None
        self._is_usable = True
        self._is_writable = True
        # Values whose bytes have changed on disk: the next reply replaces them.
        self._damaged_keys: set[bytes] = set()
        self._writes: queue.SimpleQueue[_CacheWrite | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        # Another run in this process may need a reply before it is on disk.
        self._pending_writes = _PENDING_WRITES.setdefault(path, _PendingWrites())

    def __repr__(self) -> str:
        return f"ReplyCache({str(self.path)!r})"

    def get(self, key: bytes, since: float = 0.0) -> bytes | None:
        """The value of a key, from `since` or later, or None."""
        return self.get_all((key,), since).get(key)

    def get_all(self, keys: Sequence[bytes], since: float = 0.0) -> dict[bytes, bytes]:
        """The values of those keys that have one. One query for many takes a third of the time."""
        values: dict[bytes, bytes | None] = {}
        keys_on_disk: list[bytes] = []
        for key in keys:
            pending = self._pending_writes.get(key)
            if pending is not None and pending.value is not None and pending.written_at >= since:
                values[key] = _decode_value(pending.value)
            else:
                keys_on_disk.append(key)
        for start in range(0, len(keys_on_disk), _MAX_KEYS_PER_QUERY):
            values |= self._read_from_disk(keys_on_disk[start : start + _MAX_KEYS_PER_QUERY], since)
        return {key: value for key, value in values.items() if value is not None}

    def _read_from_disk(self, keys: Sequence[bytes], since: float) -> dict[bytes, bytes | None]:
        now = self.clock()
        values: dict[bytes, bytes | None] = dict.fromkeys(keys)
        statement = _SELECT_REPLIES.format(", ".join("?" * len(keys)))
        for key, value, used, made in self._select_rows(statement, [*map(_key_hash, keys)]):
            # Two keys may share a hash.
            if key not in values or not _is_from(made, since, now):
                continue
            values[key] = _decode_value(value)
            if values[key] is None:
                self._damaged_keys.add(key)
            elif not isinstance(used, float) or now - used > _TOUCH_INTERVAL_SECONDS:
                self._enqueue_write(_CacheWrite(key, None, now, 0.0))
        return values

    def put(self, key: bytes, value: bytes, since: float = 0.0) -> None:
        """Store a value; one from `since` or later, of this or another process, stays."""
        now = self.clock()
        if key in self._damaged_keys:
            since = math.inf
        write = _CacheWrite(key, _encode_value(value), now, since)
        if self._is_usable and self._is_writable:
            self._pending_writes[key] = write
            self._enqueue_write(write)

    def close(self) -> None:
        """Wait until all values are on disk, keep the file within its limit, close it."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._writes.put(None)
            writer.join()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _select_rows(
        self, statement: str, values: Sequence[object]
    ) -> list[tuple[bytes, object, object, object]]:
        if not self._is_usable:
            return []
        try:
            if self._reader is None:
                self._reader = self._connect_reader()
            return self._reader.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._disable(error)
            return []

    def _connect_reader(self) -> sqlite3.Connection:
        try:
            return _connect_database(self.path)
        except OSError as error:
            if error.errno not in _NOT_WRITABLE or not os.path.isfile(self.path):
                raise
            self._stop_writing()
            return _connect_read_only(self.path)

    def _stop_writing(self) -> None:
        self._is_writable = False
        self._pending_writes.clear()
        self.note = f"the reply cache {self.path} cannot be written: new replies are not kept"

    def _disable(self, error: Exception) -> None:
        """Stop reading and writing, and say why in `note`."""
        self._is_usable = False
        self._pending_writes.clear()
        reason = _cache_error_reason(error)
        self.note = (
            f"the reply cache {self.path} is not used ({reason}); "
            "`rmg cache clear` starts a new one"
        )

    # ── the writer's thread ──

    def _enqueue_write(self, write: _CacheWrite) -> None:
        if not self._is_writable:
            return
        if self._writer is None:
            self._writer = threading.Thread(target=self._run_writer, name="rmg-cache", daemon=True)
            self._writer.start()
        self._writes.put(write)

    def _run_writer(self) -> None:
        try:
            with contextlib.closing(_connect_database(self.path)) as connection:
                while batch := self._next_batch():
                    _commit_batch(connection, batch)
                    self._drop_pending(batch)
                _enforce_size_limit(connection, self._most_bytes)
        except (sqlite3.Error, OSError) as error:
            self._disable(error)
            # `close` waits for this thread, and its last task is None.
            while self._writes.get() is not None:
                pass

    def _next_batch(self) -> list[_CacheWrite]:
        """The tasks in the queue, at least one; an empty list ends the writer."""
        batch: list[_CacheWrite] = []
        try:
            write = self._writes.get()
            time.sleep(_BATCH_DELAY_SECONDS)
            while write is not None:
                batch.append(write)
                write = self._writes.get_nowait()
        except queue.Empty:
            return batch
        if batch:
            # The None that ends the writer is for the next batch.
            self._writes.put(None)
        return batch

    def _drop_pending(self, batch: list[_CacheWrite]) -> None:
        for write in batch:
            if self._pending_writes.get(write.key) is write:
                self._pending_writes.pop(write.key, None)

    # ── maintenance; these methods raise CacheError ──

    def info(self) -> CacheInfo:
        """The size of the cache; zeros where there is no file."""
        if not os.path.exists(self.path):
            return CacheInfo(self.path, 0, 0)
        with self._open_database(_connect_for_reading) as connection:
            count: int = connection.execute("SELECT count(*) FROM replies").fetchone()[0]
        size = sum(path.stat().st_size for path in self._files() if path.exists())
        return CacheInfo(self.path, count, size)

    def prune(self, most_bytes: int) -> int:
        """Remove the least recently used replies down to `most_bytes`; returns how many."""
        if not self.path.exists():
            return 0
        with self._open_database() as connection:
            return _prune_replies(connection, most_bytes)

    def clear(self) -> None:
        """Remove all replies. A broken file, or one of another kind, is deleted."""
        if not self.path.exists():
            return
        try:
            with self._open_database() as connection:
                _prune_replies(connection, 0)
        except CacheError as error:
            if not _is_foreign(error.__cause__):
                raise
            for path in self._files():
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _open_database(
        self, connect: Callable[[Path], sqlite3.Connection] | None = None
    ) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing((connect or _connect_database)(self.path)) as connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise CacheError(
                f"the reply cache {self.path} cannot be used: {_cache_error_reason(error)}"
            ) from error

    def _files(self) -> list[Path]:
        return [self.path.with_name(self.path.name + ending) for ending in ("", "-wal", "-shm")]


def _connect_database(path: Path) -> sqlite3.Connection:
    """A connection that commits each statement. Only the owner may read the folder and the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        _retry_while_locked(lambda: _create_schema(connection))
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_owner(folder: Path) -> None:
    """Raise PermissionError for a cache that another user may have prepared.

    Anybody can make a folder in the shared temporary directory, with forged replies in it.
    """
    if folder.parent != Path(tempfile.gettempdir()) or not hasattr(os, "getuid"):
        return
    status = os.lstat(folder)
    is_private = status.st_uid == os.getuid() and not status.st_mode & 0o022
    if not is_private or not stat.S_ISDIR(status.st_mode):
        raise PermissionError(errno.EPERM, "another user can write its folder")


def _connect_for_reading(path: Path) -> sqlite3.Connection:
    try:
        return _connect_database(path)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        return _connect_read_only(path)


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection to a file that nobody writes: without it SQLite wants to make files beside it.

    A cache in the image of a CI job is an example.
    """
    address = f"file:{quote(os.fspath(path.absolute()))}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)


def _create_schema(connection: sqlite3.Connection) -> None:
    # In WAL mode a kill loses no commit; a power cut may lose the last ones, but not the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    index = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'by_hash'").fetchone()
    if index is None:
        # The file remembers these, and each one needs the lock: only for a new file.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def _retry_while_locked(work: Callable[[], None]) -> None:
    """Call `work` again while another process holds the lock: SQLite does not always wait."""
    for tries in range(_LOCK_TRIES):
        try:
            work()
            return
        except sqlite3.OperationalError as error:
            if "lock" not in str(error) or tries == _LOCK_TRIES - 1:
                raise
            time.sleep(0.01 * 2**tries)


def _commit_batch(connection: sqlite3.Connection, batch: Iterable[_CacheWrite]) -> None:
    """Do all tasks of a batch in one transaction."""

    def work() -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            for key, value, at, since in batch:
                if value is None:
                    connection.execute(_TOUCH_REPLY, (at, _key_hash(key)))
                else:
                    connection.execute(_UPSERT_REPLY, (_key_hash(key), key, at, at, value, since))
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    _retry_while_locked(work)


def _enforce_size_limit(connection: sqlite3.Connection, most_bytes: int) -> None:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    page_size = connection.execute("PRAGMA page_size").fetchone()[0]
    if pages * page_size > most_bytes:
        # Well below the limit, so that not every run has to prune.
        _prune_replies(connection, most_bytes * 4 // 5)


def _prune_replies(connection: sqlite3.Connection, most_bytes: int) -> int:
    count = 0

    def work() -> None:
        nonlocal count
        count = connection.execute(_PRUNE_REPLIES, (most_bytes,)).rowcount

    _retry_while_locked(work)
    # Not `execute`: it takes one step, and each step frees one page.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return count


def _key_hash(key: bytes) -> int:
    """The first bytes of a key as a number: an index of numbers is small and fast."""
    return int.from_bytes(key[:8], "big", signed=True)


def _is_from(made: object, since: float, now: float) -> bool:
    """Whether a value may be used that was stored at `made`; that clock may have been wrong."""
    if not isinstance(made, float | int):
        # A flipped bit changes the type of a cell too; the value has a checksum of its own.
        return since == 0.0
    # Where older replies are ignored, one from the future is of a clock that was ahead.
    return made >= since and (since == 0.0 or made <= now + 1)


def _encode_value(value: bytes) -> bytes:
    """The checksum, then the value itself, or as zlib where that is shorter.

    The first byte after the checksum says which.
    """
    # A value that starts like zlib must be compressed, or it would be taken for compressed.
    is_ambiguous = value[:1] == _ZLIB_PREFIX
    stored = value
    if len(value) >= _MIN_COMPRESS_BYTES or is_ambiguous:
        compressed = zlib.compress(value, 1)
        if is_ambiguous or len(compressed) < len(value):
            stored = compressed
    return _checksum(stored) + stored


def _decode_value(value: object) -> bytes | None:
    """The value in stored bytes; None where they have changed since they were stored."""
    if not isinstance(value, bytes):
        return None
    checksum, stored = value[:_CHECKSUM_BYTES], value[_CHECKSUM_BYTES:]
    if checksum != _checksum(stored):
        return None
    if stored[:1] != _ZLIB_PREFIX:
        return stored
    try:
        return zlib.decompress(stored)
    except zlib.error:
        return None


def _checksum(stored: bytes) -> bytes:
    # A flipped bit can make a verdict 3 a 2, which is still a valid reply.
    return zlib.crc32(stored).to_bytes(_CHECKSUM_BYTES, "big")


def _is_foreign(error: BaseException | None) -> bool:
    """Whether the file is no database, or one of another make; other errors may be a lock."""
    if isinstance(error, sqlite3.OperationalError):
        return "no such" in str(error) or "has no column" in str(error)
    return type(error) is sqlite3.DatabaseError


def _cache_error_reason(error: Exception) -> str:
    reason = str(error)
    if isinstance(error, OSError) and error.strerror:
        # Without the number and the path.
        reason = error.strerror
    return reason.lower()
