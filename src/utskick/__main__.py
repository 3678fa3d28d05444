"""The command ``utskick``, also as ``python -m utskick``."""

import gc

# what is imported stays: looking through it for garbage would take a seventh of the start
gc.disable()

from utskick.cli import main  # noqa: E402

gc.enable()


if __name__ == "__main__":
    main()
