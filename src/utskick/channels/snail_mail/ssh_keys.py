"""Keys of SSH that stand in the settings themselves: that of a login, and those of a server."""

from __future__ import annotations

import asyncssh
from pydantic import SecretStr


def login_key(text: SecretStr, passphrase: SecretStr | None) -> asyncssh.SSHKey:
    """Raises ``ValueError``, which tells nothing of what was found."""
    try:
        return asyncssh.import_private_key(text.get_secret_value(), passphrase.get_secret_value() if passphrase else None)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise ValueError("must be a private key of SSH, in OpenSSH's form or in PEM, that key_passphrase opens") from None


def host_keys(text: str, host: str, port: int) -> asyncssh.SSHKnownHosts:
    """Lines as in OpenSSH's known_hosts. Raises ``ValueError`` where they are none, or name no key of this server."""
    try:
        known = asyncssh.import_known_hosts(text)
    except ValueError:
        raise ValueError("must be lines as in known_hosts: a name or an address, a space, and a public key") from None
    trusted, authorities, _, certificates, _, subjects, _ = known.match(host, "", port)
    if not (trusted or authorities or certificates or subjects):
        raise ValueError(f"must name a key of the server: {host if port == 22 else f'[{host}]:{port}'}")
    return known
