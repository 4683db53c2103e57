"""`rmg cache`: show, prune or clear the reply cache. It returns its exit code."""

from __future__ import annotations

from argparse import Namespace

from rmg_dsl.config import Settings
from rmg_dsl.errors import UsageError
from rmg_dsl.models import FILE_NAME, CacheError, ReplyCache
from rmg_dsl.surfaces.terminal import EXIT_OK, write_stdout

_MB = 1_000_000


def cache(arguments: Namespace) -> int:
    """Show the size of the cache, remove the least recently used replies, or remove all."""
    replies = ReplyCache(Settings.of().cache_dir / FILE_NAME)
    try:
        write_stdout(_run_cache_action(replies, arguments))
    except CacheError as error:
        raise UsageError(str(error)) from None
    finally:
        replies.close()
    return EXIT_OK


def _run_cache_action(replies: ReplyCache, arguments: Namespace) -> str:
    match arguments.action:
        case "prune":
            return f"{replies.prune(int(arguments.most * _MB)):,} replies removed"
        case "clear":
            replies.clear()
            return "the cache is empty"
        case _:
            info = replies.info()
            return f"{info.path}\n{info.replies:,} replies, {info.bytes / _MB:,.1f} MB"
