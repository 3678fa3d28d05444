"""OpenSSH's sshd with its own sftp-server, for a user made for the tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from tests.real.server import HOST, ForegroundServer, LoginUser, free_ports, program


class OpenSsh(ForegroundServer):
    """A server that lets the user in with a key or a password.

    A second port, ``read_only``, serves the same folders without the right to write.
    """

    name = "OpenSSH sftp"

    def __init__(self, user: LoginUser) -> None:
        super().__init__()
        self.user = user
        self.port, self.read_only_port = free_ports(2)

    @property
    def where(self) -> str:
        return f"sftp {self.port}, read-only {self.read_only_port}"

    def start(self) -> None:
        # sshd's folder without rights, which it takes from the package.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        host, login = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        for name, key in (("host_key", host), ("login_key", login)):
            key.write_private_key(str(self.folder / name))
            (self.folder / name).chmod(0o600)
        self._host_key = host.export_public_key().decode()
        (self.folder / "authorized_keys").write_bytes(login.export_public_key())
        server = Path("/usr/lib/openssh/sftp-server")
        if not os.access(server, os.X_OK):
            pytest.fail(f"{server} is missing: run tests/real/install as root", pytrace=False)
        (self.folder / "sshd_config").write_text(
            f"ListenAddress {HOST}:{self.port}\n"
            f"ListenAddress {HOST}:{self.read_only_port}\n"
            f"HostKey {self.folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\n"
            "PasswordAuthentication yes\nPermitRootLogin no\nStrictModes no\nUsePAM no\n"
            f"AllowUsers {self.user.name}\nMaxStartups 100\nSubsystem sftp {server}\n"
            f"Match LocalPort {self.read_only_port}\n  ForceCommand {server} -R\n"
        )
        self.spawn(
            [program("sshd"), "-D", "-e", "-f", self.folder / "sshd_config"],
            *(self.port, self.read_only_port),
        )

    def account(self, path: Path, **more: Any) -> dict[str, Any]:
        """Return the settings of an account whose root is a folder of the server."""
        port = more.get("port", self.port)
        return {
            "provider": "sftp",
            "host": HOST,
            "port": port,
            "username": self.user.name,
            "key_file": self.folder / "login_key",
            "host_keys": f"[{HOST}]:{port} {self._host_key}",
            "path": str(path),
            "connect_timeout": 10,
            "read_timeout": 60,
            "profile": "free-v2",
            **more,
        }
