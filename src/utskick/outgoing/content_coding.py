"""Decoding of compressed HTTP responses (RFC 9110 section 8.4.1), within a size limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

#: Maximum members of a gzip stream, and codings of one response; usually one of each.
_MOST_MEMBERS: Final = 64
_MOST_CODINGS: Final = 4
_GZIP: Final = 16 + zlib.MAX_WBITS


class Oversized(Exception):
    """The decoded response exceeds the limit."""


class _Undecodable(Exception):
    """The data are not in this coding, or not whole."""


def decoded(data: bytes, content_encoding: str, limit: int) -> bytes:
    """Decode the body; return it unchanged if a coding is unknown or the data are not in it.

    Raises ``Oversized`` once more than ``limit`` bytes have been decoded.
    """
    names = [name.strip().lower() for name in content_encoding.split(",") if name.strip()]
    steps = [_DECODERS.get(name) for name in reversed(names) if name != "identity"]
    if not data or len(steps) > _MOST_CODINGS:
        return data
    plain = data
    try:
        for step in steps:
            if step is None:
                return data
            plain = step(plain, limit)
    except (_Undecodable, zlib.error):
        return data
    return plain


def _gunzip(data: bytes, limit: int) -> bytes:
    """Decode all members of a gzip stream (RFC 1952 section 2.2)."""
    plain = b""
    for _ in range(_MOST_MEMBERS):
        part, data = _inflated(data, _GZIP, limit - len(plain))
        plain += part
        if not data:
            return plain
    raise _Undecodable


def _inflate(data: bytes, limit: int) -> bytes:
    """Decode the zlib format (RFC 1950), or the bare stream that some servers send instead."""
    try:
        return _inflated(data, zlib.MAX_WBITS, limit)[0]
    except zlib.error:
        return _inflated(data, -zlib.MAX_WBITS, limit)[0]


def _inflated(data: bytes, wbits: int, limit: int) -> tuple[bytes, bytes]:
    """Decode one stream; return what it contained, and what follows it."""
    stream = zlib.decompressobj(wbits)
    plain = stream.decompress(data, limit + 1)
    if len(plain) > limit:
        raise Oversized
    if not stream.eof:
        raise _Undecodable
    return plain, stream.unused_data


_DECODERS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
}
