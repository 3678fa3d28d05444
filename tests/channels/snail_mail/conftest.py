"""``smbclient`` is a package, and beside it a script that impacket installs; pytest puts the folder
of scripts before the packages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:] = [folder for folder in sys.path if not Path(folder, "smbclient.py").is_file()]
