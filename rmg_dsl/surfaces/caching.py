"""`rmg cache`: what the reply cache holds, and less of it. It returns its exit code."""

from __future__ import annotations

from argparse import Namespace

from rmg_dsl.config import Settings
from rmg_dsl.errors import UsageError
from rmg_dsl.models import FILE_NAME, CacheError, ReplyCache
from rmg_dsl.surfaces.terminal import EXIT_OK, write_stdout

_MB = 1_000_000


def cache(chosen: Namespace) -> int:
    """Tell what is there, or remove what was not used for longest, or all of it."""
    replies = ReplyCache(Settings.of().cache_dir / FILE_NAME)
    try:
        write_stdout(_run_cache_action(replies, chosen))
    except CacheError as error:
        raise UsageError(str(error)) from None
    finally:
        replies.close()
    return EXIT_OK


def _run_cache_action(replies: ReplyCache, chosen: Namespace) -> str:
    match chosen.action:
        case "prune":
            return f"{replies.prune(int(chosen.most * _MB)):,} replies removed"
        case "clear":
            replies.clear()
            return "the cache is empty"
        case _:
            info = replies.info()
            return f"{info.path}\n{info.replies:,} replies, {info.bytes / _MB:,.1f} MB"
