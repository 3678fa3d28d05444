"""Command line: ``utskick serve | worker | migrate | demo | send | batch | status | check``."""

from utskick.cli.commands import main

__all__ = ["main"]
