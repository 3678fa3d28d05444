"""Samba's smbd with shares in its own folder, for a user made for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.real.server import HOST, ForegroundServer, LoginUser, free_ports, program, run


class Samba(ForegroundServer):
    """A server with the share ``home``, of the user's home, and ``locked``, the same read-only."""

    name = "Samba"

    def __init__(self, user: LoginUser) -> None:
        super().__init__()
        self.user = user
        [self.port] = free_ports(1)

    @property
    def where(self) -> str:
        return f"smb {self.port}"

    def start(self) -> None:
        for name in ("private", "lock", "state", "cache", "pid", "ncalrpc"):
            (self.folder / name).mkdir()
        config = self.folder / "smb.conf"
        config.write_text(
            "[global]\n"
            f"interfaces = {HOST}/8\nbind interfaces only = yes\nsmb ports = {self.port}\n"
            "server role = standalone server\nserver min protocol = SMB2\nserver smb encrypt = desired\n"
            "disable spoolss = yes\nload printers = no\nmap to guest = never\nlog level = 1\n"
            f"passdb backend = tdbsam:{self.folder}/passdb.tdb\n"
            f"private dir = {self.folder}/private\nlock directory = {self.folder}/lock\n"
            f"state directory = {self.folder}/state\ncache directory = {self.folder}/cache\n"
            f"pid directory = {self.folder}/pid\nncalrpc dir = {self.folder}/ncalrpc\n"
            f"[home]\npath = {self.user.home}\nread only = no\n"
            f"[locked]\npath = {self.user.home}\nread only = yes\n"
        )
        login = f"{self.user.password}\n" * 2
        run(program("smbpasswd"), "-c", config, "-a", "-s", self.user.name, text=login)
        self.spawn(
            [
                *(program("smbd"), "--foreground", "--no-process-group", "--debug-stdout"),
                f"--configfile={config}",
            ],
            self.port,
        )

    def account(self, path: Path, **more: Any) -> dict[str, Any]:
        """Return the settings of an account whose root is a folder in the user's home."""
        return {
            "provider": "smb",
            "host": HOST,
            "port": self.port,
            "share": "home",
            "path": str(path.relative_to(self.user.home)),
            "username": self.user.name,
            "password": self.user.password,
            "connect_timeout": 10,
            "read_timeout": 60,
            "profile": "free-v2",
            **more,
        }
