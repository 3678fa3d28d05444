"""Write the lock of a folder of wheels: every wheel's name, version and SHA-256.

Usage: ``wheelhouse.py FOLDER``. A server installs from the folder alone, and pip refuses any file
that is not in the lock: ``pip install --no-index -f FOLDER --require-hashes --requirement
FOLDER/requirements.txt``.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from packaging.utils import parse_wheel_filename


def lock(folder: Path) -> str:
    """Return the lock, one line for each wheel in the folder, in the order of their names."""
    lines = []
    for wheel in folder.glob("*.whl"):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        lines.append(f"{name}=={version} --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
    return "".join(sorted(lines))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "requirements.txt").write_text(lock(folder))
