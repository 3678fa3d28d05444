"""Composition root: settings → database, channels, engine, HTTP app. The one package that knows all.

It is where parts are chosen and put together; every other package is handed what it works with.
"""

from utskick.bootstrap.listener import check_host, is_loopback, stop_signal, stop_wanted
from utskick.bootstrap.service import Running, cipher_of, opened, read_settings, serving, work
from utskick.bootstrap.worker import policies_of

__all__ = [
    "Running",
    "check_host",
    "is_loopback",
    "opened",
    "policies_of",
    "read_settings",
    "cipher_of",
    "serving",
    "stop_signal",
    "stop_wanted",
    "work",
]
