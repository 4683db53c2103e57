"""The reply cache: what was paid for once is never asked for again. One SQLite file that many processes may share."""

from __future__ import annotations

import contextlib
import os
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

# The layout is part of the name: two versions of this package never meet in one file.
FILE_NAME = "replies-2.sqlite3"
MOST_BYTES = 4 << 30

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, key BLOB NOT NULL, made REAL NOT NULL, used REAL NOT NULL,
    value BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS by_hash ON replies (hash);
"""
_SELECT_REPLIES = "SELECT key, value, used, made FROM replies WHERE hash IN ({})"
_MAX_KEYS_PER_QUERY = 500
_UPSERT_REPLY = """
INSERT INTO replies (hash, key, made, used, value) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET key = excluded.key, made = excluded.made, used = excluded.used, value = excluded.value
WHERE made < ?
"""
_TOUCH_REPLY = "UPDATE replies SET used = ? WHERE hash = ?"
# What is kept beside a value, about: its row, its key, its place in the index.
_ROW_OVERHEAD_BYTES = 100
_PRUNE_REPLIES = f"""
DELETE FROM replies WHERE id IN (
    SELECT id FROM (
        SELECT id, sum(length(value) + {_ROW_OVERHEAD_BYTES}) OVER (ORDER BY used DESC, id DESC) AS kept FROM replies
    ) WHERE kept > ?
)
"""
_LOCK_SECONDS = 10.0
_LOCK_TRIES = 6
# How exactly the last use of a reply is known: one that is often used costs no write each time.
_TOUCH_INTERVAL_SECONDS = 3600.0
_MIN_COMPRESS_BYTES = 2048
_ZLIB_PREFIX = b"x"
# Replies come in swarms: one transaction for a few of them takes a fifth of the time.
_BATCH_DELAY_SECONDS = 0.002

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
    """One thing for the writer to do: keep a value, or (where there is none) note that a reply was used."""

    key: bytes
    value: bytes | None
    written_at: float
    since: float


class ReplyCache:
    """Replies by the hash of what was asked: bytes by a key of 32 bytes. It opens its file when it is first used.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> cache = ReplyCache(Path(folder.name) / "cache" / FILE_NAME)
    >>> cache.put(b"k" * 32, b'{"a": 1}')
    >>> cache.get(b"k" * 32)
    b'{"a": 1}'
    >>> cache.close()
    >>> folder.cleanup()

    `get` and `put` never raise: a file that cannot be read or written leaves a `note` and the run goes on without.
    A thread commits what is put as soon as it can, many at a time where many come: what a kill at any moment loses
    is what came in the last few milliseconds. `get` is for one thread at a time. `close()` waits for what is put.

    A reply made before `since` is not given, and is replaced: so one run can do without what older ones have.
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
        self._writes: queue.SimpleQueue[_CacheWrite | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._pending_writes: dict[bytes, _CacheWrite] = {}

    def __repr__(self) -> str:
        return f"ReplyCache({str(self.path)!r})"

    def get(self, key: bytes, since: float = 0.0) -> bytes | None:
        """The value for a key, made at `since` or later; none where there is none."""
        return self.get_all((key,), since).get(key)

    def get_all(self, keys: Sequence[bytes], since: float = 0.0) -> dict[bytes, bytes]:
        """The values for those of the keys that have one: several at once take a third of the time."""
        values: dict[bytes, bytes | None] = {}
        wanted: list[bytes] = []
        for key in keys:
            coming = self._pending_writes.get(key)
            if coming is not None and coming.value is not None and coming.written_at >= since:
                values[key] = _decompress_value(coming.value)
            else:
                wanted.append(key)
        for start in range(0, len(wanted), _MAX_KEYS_PER_QUERY):
            values |= self._read_from_disk(wanted[start : start + _MAX_KEYS_PER_QUERY], since)
        return {key: value for key, value in values.items() if value is not None}

    def _read_from_disk(self, keys: Sequence[bytes], since: float) -> dict[bytes, bytes | None]:
        now = self.clock()
        values: dict[bytes, bytes | None] = dict.fromkeys(keys)
        for key, value, used, made in self._select_rows(
            _SELECT_REPLIES.format(", ".join("?" * len(keys))), [*map(_key_hash, keys)]
        ):
            if key not in values or made < since:
                continue
            values[key] = _decompress_value(value)
            if now - used > _TOUCH_INTERVAL_SECONDS:
                self._enqueue_write(_CacheWrite(key, None, now, 0.0))
        return values

    def put(self, key: bytes, value: bytes, since: float = 0.0) -> None:
        """Keep a value; one that another process put there at `since` or later stays."""
        write = _CacheWrite(key, _compress_value(value), self.clock(), since)
        if self._is_usable:
            self._pending_writes[key] = write
            self._enqueue_write(write)

    def close(self) -> None:
        """Wait until all that was put is on disk, keep the size within bounds, let go of the file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._writes.put(None)
            writer.join()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _select_rows(
        self, statement: str, values: Sequence[object]
    ) -> list[tuple[bytes, bytes, float, float]]:
        if not self._is_usable:
            return []
        try:
            if self._reader is None:
                self._reader = _connect_database(self.path)
            return self._reader.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._disable(error)
            return []

    def _disable(self, error: Exception) -> None:
        """Go on without: one note says so, and nothing is read or written any more."""
        self._is_usable = False
        self._pending_writes.clear()
        words = _cache_error_reason(error)
        self.note = (
            f"the reply cache {self.path} is not used ({words}); `rmg cache clear` starts a new one"
        )

    # ── the writer's thread ──

    def _enqueue_write(self, write: _CacheWrite) -> None:
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
            while self._writes.get() is not None:
                pass

    def _next_batch(self) -> list[_CacheWrite]:
        """What is there to be written, at least one; nothing at the end."""
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
            # The end comes again, once this is written.
            self._writes.put(None)
        return batch

    def _drop_pending(self, batch: list[_CacheWrite]) -> None:
        for write in batch:
            if self._pending_writes.get(write.key) is write:
                self._pending_writes.pop(write.key, None)

    # ── looking after the file; these raise CacheError ──

    def info(self) -> CacheInfo:
        """What the cache holds; nothing where there is no file."""
        if not self.path.exists():
            return CacheInfo(self.path, 0, 0)
        with self._open_database() as connection:
            count: int = connection.execute("SELECT count(*) FROM replies").fetchone()[0]
        return CacheInfo(
            self.path, count, sum(path.stat().st_size for path in self._files() if path.exists())
        )

    def prune(self, most_bytes: int) -> int:
        """Drop what was not used for longest until the rest fits in `most_bytes`; returns how many replies went."""
        if not self.path.exists():
            return 0
        with self._open_database() as connection:
            return _prune_replies(connection, most_bytes)

    def clear(self) -> None:
        """Forget everything. A file that is none of ours, or broken, is removed."""
        if not self.path.exists():
            return
        try:
            with self._open_database() as connection:
                _prune_replies(connection, 0)
        except CacheError as error:
            # Its subclasses are such as a lock; the class itself says that this is no database.
            if type(error.__cause__) is not sqlite3.DatabaseError:
                raise
            for path in self._files():
                path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _open_database(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(_connect_database(self.path)) as connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise CacheError(
                f"the reply cache {self.path} cannot be used: {_cache_error_reason(error)}"
            ) from error

    def _files(self) -> list[Path]:
        return [self.path.with_name(self.path.name + ending) for ending in ("", "-wal", "-shm")]


def _connect_database(path: Path) -> sqlite3.Connection:
    """A connection that commits by itself; the folder and the file are nobody else's to read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def _create_schema(connection: sqlite3.Connection) -> None:
    # In WAL mode a kill loses nothing that was committed; a power cut may lose the last commits, never the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'by_hash'").fetchone()
    if known is None:
        # These are kept in the file, and each of them wants the lock.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def _retry_while_locked(work: Callable[[], None]) -> None:
    """Do it again where another process holds the lock: SQLite does not wait by itself in every case."""
    for tries in range(_LOCK_TRIES):
        try:
            return work()
        except sqlite3.OperationalError as error:
            if "lock" not in str(error) or tries == _LOCK_TRIES - 1:
                raise
            time.sleep(0.01 * 2**tries)
    return None


def _commit_batch(connection: sqlite3.Connection, batch: Iterable[_CacheWrite]) -> None:
    """One transaction, all or nothing."""

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
    """Pruned well below the bound, so that not each run has to do it."""
    pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    if pages * size > most_bytes:
        _prune_replies(connection, most_bytes * 4 // 5)


def _prune_replies(connection: sqlite3.Connection, most_bytes: int) -> int:
    gone: list[int] = []
    _retry_while_locked(
        lambda: gone.append(connection.execute(_PRUNE_REPLIES, (most_bytes,)).rowcount)
    )
    # Not `execute`: it takes one step, and each step gives back one page.
    connection.executescript("PRAGMA incremental_vacuum")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return gone[-1]


def _key_hash(key: bytes) -> int:
    """The first bytes of a key as a number: a small index is a fast one."""
    return int.from_bytes(key[:8], "big", signed=True)


def _compress_value(value: bytes) -> bytes:
    """As it is, or as zlib where that pays; the first byte, which is never that of JSON, tells which."""
    looks_packed = value[:1] == _ZLIB_PREFIX
    if len(value) < _MIN_COMPRESS_BYTES and not looks_packed:
        return value
    packed = zlib.compress(value, 1)
    return packed if len(packed) < len(value) or looks_packed else value


def _decompress_value(value: bytes) -> bytes | None:
    if value[:1] != _ZLIB_PREFIX:
        return value
    try:
        return zlib.decompress(value)
    except zlib.error:
        return None


def _cache_error_reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return words.lower()
