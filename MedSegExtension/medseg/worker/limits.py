"""A limit on this process's memory, where the system can hold one: Linux counts private writable memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def limit_memory(size: int) -> None:
    """Let allocations beyond ``size`` bytes fail from now on (0: no limit). It can be changed again."""
    if size and sys.platform == "linux":
        import resource

        _soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (size, hard))


@contextmanager
def memory_limited(size: int) -> Iterator[None]:
    """`limit_memory` for the time of the block.

    Raises MemoryError also where an extension module answers an allocation that failed with SystemError.
    """
    if not size or sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit_memory(size)
    try:
        yield
    except SystemError as error:
        raise MemoryError from error
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
