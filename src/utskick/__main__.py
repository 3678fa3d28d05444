"""Entry point of the command ``utskick`` and of ``python -m utskick``."""

import gc

# Imported modules live until exit; collecting garbage meanwhile takes a seventh of the start-up.
gc.disable()

from utskick.cli import main  # noqa: E402

gc.enable()


if __name__ == "__main__":
    main()
