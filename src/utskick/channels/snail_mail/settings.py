"""The section of physical letters: printing houses, the layout of what is handed over, limits, and
what each supplier's machines need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

import asyncssh
from pydantic import Field, FilePath, SecretStr, model_validator

from utskick.outgoing.settings_types import (
    AccountName,
    ChannelSection,
    Filled,
    Secret,
    Section,
    fault_at,
)


def login_key(text: SecretStr, passphrase: SecretStr | None) -> asyncssh.SSHKey:
    """Raises ``ValueError``, which tells nothing of what was found."""
    try:
        return asyncssh.import_private_key(
            text.get_secret_value(), passphrase.get_secret_value() if passphrase else None
        )
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise ValueError(
            "must be a private key of SSH, in OpenSSH's form or in PEM, that key_passphrase opens"
        ) from None


def host_keys(text: str, host: str, port: int) -> asyncssh.SSHKnownHosts:
    """Lines as in OpenSSH's known_hosts. Raises ``ValueError`` where they are none, or name no key
    of this server."""
    try:
        known = asyncssh.import_known_hosts(text)
    except ValueError:
        raise ValueError(
            "must be lines as in known_hosts: a name or an address, a space, and a public key"
        ) from None
    trusted, authorities, _, certificates, _, subjects, _ = known.match(host, "", port)
    if not (trusted or authorities or certificates or subjects):
        raise ValueError(
            f"must name a key of the server: {host if port == 22 else f'[{host}]:{port}'}"
        )
    return known


Millimetres = Annotated[float, Field(ge=0, le=297)]
Encoding = Literal["iso-8859-1", "windows-1252", "utf-8"]
Column = Literal["fil", "organisationsnummer", "land", "avvikelse", "leverans"]


class EnvelopeWindow(Section):
    """Where an envelope's window shows the sheet: millimetres from the sheet's left and top
    edge."""

    left: Millimetres
    top: Millimetres
    width: Millimetres
    height: Millimetres


class Zone(Section):
    """A part of the sheet that must stay empty: a rectangle in the corner that ``x`` and ``y``
    name, in millimetres."""

    name: Filled
    x: Literal["left", "right"]
    y: Literal["top", "bottom"]
    width: Annotated[float, Field(gt=0, le=210)]
    height: Annotated[float, Field(gt=0, le=297)]


class Profile(Section):
    """What a supplier's envelopes and machines need. ``zone_pages``: where the zones are looked at:
    the address side, or every page."""

    window: EnvelopeWindow
    zones: tuple[Zone, ...] = ()
    zone_pages: Literal["first", "all"] = "first"


#: Left (V2): what the windows of C5, C6/5 and EC4 have in common, seen from the sheet. Right (H2):
#: the same height, from 105 mm.
#: No Swedish authority gives the millimetres: they are the supplier's to confirm, and the settings'
#: to change.
LEFT: Final = EnvelopeWindow(left=15, top=44, width=100, height=30)
RIGHT: Final = EnvelopeWindow(left=105, top=44, width=90, height=30)
#: PostNord prints its sorting code into the lower right corner, 150 x 30 mm; CityMail along the
#: upper edge, 150 x 10 mm, which here
#: is the right end of that edge, where the franking is. Both are measured on the sheet's first
#: page, the one that is addressed.
POSTNORD: Final = Zone(name="PostNord's sorting code", x="right", y="bottom", width=150, height=30)
CITYMAIL: Final = Zone(name="CityMail's sorting code", x="right", y="top", width=150, height=10)
PROFILES: Final = {
    "postnord-v2": Profile(window=LEFT, zones=(POSTNORD,)),
    "postnord-h2": Profile(window=RIGHT, zones=(POSTNORD,)),
    "citymail-v2": Profile(window=LEFT, zones=(CITYMAIL,)),
    "citymail-h2": Profile(window=RIGHT, zones=(CITYMAIL,)),
    "free-v2": Profile(window=LEFT),
    "free-h2": Profile(window=RIGHT),
}


class _PrintAccount(Section):
    """What every printing house has. ``rate`` in hand-overs a second; time-outs in seconds,
    ``read_timeout`` for each single step.

    ``municipalities``: whose letters it prints, by id; those of all when there is none. Of several,
    the first by ``priority`` prints.
    """

    profile: str = "postnord-v2"
    municipalities: tuple[str, ...] = ()
    priority: int = 1
    concurrency: int = Field(1, ge=1, le=16)
    rate: float | None = Field(None, gt=0)
    connect_timeout: float = Field(10.0, gt=0)
    read_timeout: float = Field(60.0, gt=0)


class FolderAccount(_PrintAccount):
    """A folder of this machine, or one that is mounted on it. It must exist: an unmounted one is
    not filled by mistake."""

    provider: Literal["folder"]
    path: Path


class SftpAccount(_PrintAccount):
    """SFTP (SSH). The login is a password or a key: a file (``key_file``), or what is in it
    (``key``).

    The server's key must stand in ``known_hosts``, a file, or in ``host_keys``, lines as in that
    file, unless ``accept_any_host_key`` says otherwise.
    """

    provider: Literal["sftp"]
    path: str = "."
    host: Filled
    port: int = Field(22, ge=1, le=65535)
    username: Filled
    password: Secret | None = None
    key_file: FilePath | None = None
    key: Secret | None = None
    key_passphrase: Secret | None = None
    known_hosts: FilePath | None = None
    host_keys: Filled | None = None
    accept_any_host_key: bool = False

    @model_validator(mode="after")
    def _can_log_in_and_knows_where(self) -> Self:
        if self.one_of("key_file", "key") is None and self.password is None:
            raise ValueError("needs password, key_file or key")
        if self.one_of("known_hosts", "host_keys") is None and not self.accept_any_host_key:
            raise ValueError(
                "needs known_hosts or host_keys, or accept_any_host_key = true: else anybody in between could take the letters"
            )
        self._try()
        return self

    def _try(self) -> None:
        """What stands here is read at once, files are read when they are needed. SSH is loaded by
        those who use it."""
        if self.key is None and self.host_keys is None:
            return
        from utskick.channels.snail_mail import settings as ssh_keys

        try:
            if self.host_keys is not None:
                ssh_keys.host_keys(self.host_keys, self.host, self.port)
        except ValueError as fault:
            raise fault_at("host_keys", str(fault)) from None
        try:
            if self.key is not None:
                ssh_keys.login_key(self.key, self.key_passphrase)
        except ValueError as fault:
            raise fault_at("key", str(fault)) from None


class SmbAccount(_PrintAccount):
    """An SMB share (SMB 2 and 3). ``username`` with its domain as ``domain\\user`` or
    ``user@domain``."""

    provider: Literal["smb"]
    path: str = "."
    host: Filled
    port: int = Field(445, ge=1, le=65535)
    share: Annotated[str, Field(pattern=r"^[^\\/:*?\"<>|]+$")]
    username: Filled
    password: Secret
    encrypt: bool = True
    require_signing: bool = True


Account = Annotated[FolderAccount | SftpAccount | SmbAccount, Field(discriminator="provider")]


class HandoverLayout(Section):
    """How a hand-over looks; the defaults are what printing houses of Swedish municipalities are
    given today.

    ``encoding`` of the address list. What ISO-8859-1 and Windows-1252 cannot hold is transliterated
    (``layout.py``), never ``?``. ``line_end`` of the address list; ``rows``: letters in windowed
    envelopes show their address themselves and have no row, unless ``all``. ``columns``: more of
    them, after the six of today. ``shared``: a PDF of many letters is written for ``each`` of them,
    or ``once``. ``municipality_folder``: the municipality's id as the outermost folder.
    """

    encoding: Encoding = "iso-8859-1"
    line_end: Literal["lf", "crlf"] = "lf"
    rows: Literal["plain", "all"] = "plain"
    columns: tuple[Column, ...] = ()
    shared: Literal["each", "once"] = "each"
    municipality_folder: bool = False


class Limits(Section):
    """Of one PDF: pages, bytes, and the processor seconds that a look at it may take (and a tenth
    of a second more for each MiB)."""

    page_limit: int = Field(50, ge=1, le=1000)
    size_limit: int = Field(20 * 1_048_576, ge=1024, le=64 * 1_048_576)
    check_seconds: float = Field(0.2, ge=0.05, le=10)


class SnailMailSettings(ChannelSection):
    """``close_after``: seconds after which a print batch that nobody triggered is closed.
    ``profiles``: more of them, by name."""

    #: A batch may hold letters of many units, and is closed by what looks after all batches.
    fixed: ClassVar = frozenset({"close_after"})

    close_after: float = Field(3600, gt=0)
    layout: HandoverLayout = HandoverLayout()
    limits: Limits = Limits()
    profiles: dict[AccountName, Profile] = Field(default_factory=dict)
    accounts: dict[AccountName, Account] = Field(default_factory=dict)

    def profile(self, name: str) -> Profile:
        return {**PROFILES, **self.profiles}[name]

    @model_validator(mode="after")
    def _profiles_are_known(self) -> Self:
        known = {**PROFILES, **self.profiles}
        for name, account in self.accounts.items():
            if account.profile not in known:
                raise ValueError(
                    f"accounts.{name}.profile: there is no profile of this name; there are {', '.join(sorted(known))}"
                )
        return self
