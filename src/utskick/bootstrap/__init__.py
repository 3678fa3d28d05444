"""Composition root: settings → database, channels, engine, HTTP app.

The only package that knows all others: it chooses the parts and passes them what they need.
"""

from utskick.bootstrap.listener import check_host, stop_signal, stop_wanted
from utskick.bootstrap.service import (
    Running,
    cipher_of,
    journal_of,
    marker_of,
    opened,
    read_settings,
    serving,
    work,
)
from utskick.bootstrap.transport import is_loopback
from utskick.bootstrap.worker import policies_of

__all__ = [
    "Running",
    "check_host",
    "is_loopback",
    "journal_of",
    "marker_of",
    "opened",
    "policies_of",
    "read_settings",
    "cipher_of",
    "serving",
    "stop_signal",
    "stop_wanted",
    "work",
]
