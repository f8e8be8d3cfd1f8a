"""How much a compressed stream holds, without holding it."""

from __future__ import annotations

import zlib
from typing import IO

_CHUNK = 1 << 20
#: zlib's window bits for "gzip or zlib, by the first bytes".
_GZIP_OR_ZLIB = 47


def inflated_length(stream: IO[bytes], limit: int | None = None) -> int:
    """Length in bytes of gzip or zlib data once decompressed, read from where ``stream`` stands.

    Stops counting soon after ``limit``.

    Raises
    ------
    EOFError : the data ends early.
    zlib.error : the data is damaged (checksum included).
    """
    inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
    length = 0
    while piece := stream.read(_CHUNK):
        while piece and not inflate.eof:
            length += len(inflate.decompress(piece, _CHUNK))
            piece = inflate.unconsumed_tail
            if limit is not None and length > limit:
                return length
        if inflate.eof:
            return length
    raise EOFError("the compressed data ends early")
