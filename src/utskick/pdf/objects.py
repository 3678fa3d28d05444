"""Values of PDF objects, read by the rules of ISO 32000 in one place.

A value may be direct or indirect (7.3.10). An indirect reference to nothing is null, and null is
the same as no entry (7.3.7, 7.3.9). What has another type than it must have is read as absent, as
viewers and printers do; nothing here raises for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pikepdf


def entry(holder: Any, *keys: str) -> Any:
    """Return the value below a chain of keys of dictionaries or streams, or None."""
    for key in keys:
        members = dictionary(holder)
        if members is None:
            return None
        holder = members.get(key)
    return holder


def dictionary(value: Any) -> pikepdf.Dictionary | None:
    """Return a dictionary, or that of a stream."""
    if isinstance(value, pikepdf.Stream):
        return value.stream_dict
    return value if isinstance(value, pikepdf.Dictionary) else None


def stream(value: Any) -> pikepdf.Stream | None:
    return value if isinstance(value, pikepdf.Stream) else None


def members(value: Any) -> dict[str, Any]:
    """Return the entries of a dictionary or stream that are not null."""
    found = dictionary(value)
    if found is None:
        return {}
    return {key: inner for key, inner in found.items() if inner is not None}


def elements(value: Any) -> Iterator[Any]:
    """Iterate over an array, without its nulls."""
    if isinstance(value, pikepdf.Array):
        yield from (inner for inner in value if inner is not None)


def number(value: Any, default: float) -> float:
    """Return an integer or real."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | float):
        return default
    return float(value)


def whole(value: Any, default: int) -> int:
    """Return an integer, or a real that is one; ``default`` also for one that is negative."""
    found = int(number(value, -1.0))
    return found if found >= 0 else default


def flag(value: Any) -> bool:
    return value is True


def name(value: Any) -> str:
    """Return a name with its slash, "" for anything else."""
    if not isinstance(value, pikepdf.Name):
        return ""
    try:
        return str(value)
    except UnicodeDecodeError:  # as names of fonts in GBK or Shift-JIS, which may be any bytes
        return value.unparse().decode("ascii", "replace")


def is_container(value: Any) -> bool:
    return isinstance(value, pikepdf.Dictionary | pikepdf.Array | pikepdf.Stream)


def inherited(page: Any, key: str) -> Any:
    """Return an attribute of a page or of its ancestors in the page tree (7.7.3.4)."""
    seen: set[tuple[int, int]] = set()
    holder = dictionary(page)
    while holder is not None:
        value = entry(holder, key)
        if value is not None:
            return value
        holder = dictionary(entry(holder, "/Parent"))
        if holder is not None and holder.objgen in seen:
            return None
        if holder is not None:
            seen.add(holder.objgen)
    return None
