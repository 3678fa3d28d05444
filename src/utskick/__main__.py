"""The command ``utskick``, also as ``python -m utskick``."""

import gc

gc.disable()  # what is imported stays: looking through it for garbage would take a seventh of the start

from utskick.cli import main  # noqa: E402

gc.enable()


if __name__ == "__main__":
    main()
