"""Utskick: one service for everything a public body sends out."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("utskick")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"
