"""``python -m utskick``: the same as the command ``utskick``."""

from utskick.cli import main

main()
