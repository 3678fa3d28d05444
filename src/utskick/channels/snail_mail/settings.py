"""Settings section ``[snail_mail]``: printing houses, profiles, layout and limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, FilePath, SecretStr, model_validator

from utskick.outgoing.settings_types import (
    AccountName,
    ChannelSection,
    NonEmpty,
    PeerSection,
    Secret,
    Section,
    fault_at,
)

if TYPE_CHECKING:
    import asyncssh


def login_key(text: SecretStr, passphrase: SecretStr | None) -> asyncssh.SSHKey:
    """Parse a private SSH key. Raises ``ValueError``, which reveals nothing of the input."""
    import asyncssh  # loaded only by those who use SFTP

    try:
        return asyncssh.import_private_key(
            text.get_secret_value(), passphrase.get_secret_value() if passphrase else None
        )
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise ValueError(
            "must be a private SSH key in OpenSSH or PEM format, decryptable by key_passphrase"
        ) from None


def host_keys(text: str, host: str, port: int) -> asyncssh.SSHKnownHosts:
    """Parse lines of OpenSSH's known_hosts. Raises ``ValueError`` if none matches the server."""
    import asyncssh  # loaded only by those who use SFTP

    try:
        known = asyncssh.import_known_hosts(text)
    except ValueError:
        raise ValueError(
            "must be known_hosts lines: a name or an address, a space, and a public key"
        ) from None
    trusted, authorities, _, certificates, _, subjects, _ = known.match(host, "", port)
    if not (trusted or authorities or certificates or subjects):
        raise ValueError(
            f"must contain a key of the server {host if port == 22 else f'[{host}]:{port}'}"
        )
    return known


Millimetres = Annotated[float, Field(ge=0, le=297)]
Encoding = Literal["iso-8859-1", "windows-1252", "utf-8"]
Column = Literal["fil", "organisationsnummer", "land", "avvikelse", "leverans"]


class EnvelopeWindow(Section):
    """Position of an envelope's window: millimetres from the sheet's left and top edge."""

    left: Millimetres
    top: Millimetres
    width: Millimetres
    height: Millimetres


class Zone(Section):
    """A rectangle that must stay empty, in the corner named by ``x`` and ``y``, in millimetres."""

    name: NonEmpty
    x: Literal["left", "right"]
    y: Literal["top", "bottom"]
    width: Annotated[float, Field(gt=0, le=210)]
    height: Annotated[float, Field(gt=0, le=297)]


class Profile(Section):
    """Requirements of a supplier's envelopes and machines.

    ``zone_pages``: whether zones apply to the first page, which is addressed, or to all.
    """

    window: EnvelopeWindow
    zones: tuple[Zone, ...] = ()
    zone_pages: Literal["first", "all"] = "first"


#: Left (V2): intersection of the windows of C5, C6/5 and EC4. Right (H2): the same height, from
#: 105 mm. No Swedish authority publishes the millimetres; the supplier confirms them, and the
#: settings can change them.
LEFT: Final = EnvelopeWindow(left=15, top=44, width=100, height=30)
RIGHT: Final = EnvelopeWindow(left=105, top=44, width=90, height=30)
#: PostNord prints its sorting code in the lower right corner, 150 x 30 mm. CityMail prints it along
#: the upper edge, 150 x 10 mm, here at its right end, where the franking is. Both are on the first
#: page of the sheet.
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


class _PrintAccount(PeerSection):
    """Settings common to all printing houses.

    ``rate``: hand-overs per second. Time-outs in seconds, ``read_timeout`` for each storage
    operation. ``municipalities``: ids of the municipalities served, empty for all; of several
    accounts, the first by ``priority`` prints.
    """

    profile: str = "postnord-v2"
    municipalities: tuple[str, ...] = ()
    priority: int = 1
    concurrency: int = Field(1, ge=1, le=16)
    rate: float | None = Field(None, gt=0)
    connect_timeout: float = Field(10.0, gt=0)
    read_timeout: float = Field(60.0, gt=0)


class FolderAccount(_PrintAccount):
    """A local or mounted folder, which must exist, so that an unmounted one is not filled."""

    provider: Literal["folder"]
    path: Path


class SftpAccount(_PrintAccount):
    """SFTP over SSH.

    The login is a password or a key, in a file (``key_file``) or inline (``key``). The server's
    key must be listed in ``known_hosts`` (a file) or ``host_keys`` (lines in the same format),
    unless ``accept_any_host_key`` is set.
    """

    provider: Literal["sftp"]
    path: str = "."
    host: NonEmpty
    port: int = Field(22, ge=1, le=65535)
    username: NonEmpty
    password: Secret | None = None
    key_file: FilePath | None = None
    key: Secret | None = None
    key_passphrase: Secret | None = None
    known_hosts: FilePath | None = None
    host_keys: NonEmpty | None = None
    accept_any_host_key: bool = False

    @model_validator(mode="after")
    def _has_login_and_host_key(self) -> Self:
        if self.one_of("key_file", "key") is None and self.password is None:
            raise ValueError("one of password, key_file and key must be set")
        if self.one_of("known_hosts", "host_keys") is None and not self.accept_any_host_key:
            raise ValueError(
                "one of known_hosts and host_keys must be set, or accept_any_host_key = true, which"
                " allows a man in the middle to intercept the letters"
            )
        self._check_inline_keys()
        return self

    def _check_inline_keys(self) -> None:
        """Parse the inline keys; files are read on use."""
        try:
            if self.host_keys is not None:
                host_keys(self.host_keys, self.host, self.port)
        except ValueError as fault:
            raise fault_at("host_keys", str(fault)) from None
        try:
            if self.key is not None:
                login_key(self.key, self.key_passphrase)
        except ValueError as fault:
            raise fault_at("key", str(fault)) from None


class SmbAccount(_PrintAccount):
    r"""An SMB share (SMB 2 and 3). ``username``: ``domain\user`` or ``user@domain``."""

    provider: Literal["smb"]
    path: str = "."
    host: NonEmpty
    port: int = Field(445, ge=1, le=65535)
    share: Annotated[str, Field(pattern=r"^[^\\/:*?\"<>|]+$")]
    username: NonEmpty
    password: Secret
    encrypt: bool = True
    require_signing: bool = True


Account = Annotated[FolderAccount | SftpAccount | SmbAccount, Field(discriminator="provider")]


class HandoverLayout(Section):
    """Layout of a hand-over; the defaults are what Swedish printing houses receive today.

    ``encoding``: of the address list; characters that ISO-8859-1 and Windows-1252 lack are
    transliterated (``file_names.py``). ``line_end``: of the address list. ``rows``: "plain" omits
    letters in windowed envelopes, "all" lists every letter. ``columns``: additional columns after
    the six standard ones. ``shared``: whether a PDF shared by letters is written for ``each`` of
    them, or ``once``. ``municipality_folder``: use the municipality's id as the outermost folder.
    """

    encoding: Encoding = "iso-8859-1"
    line_end: Literal["lf", "crlf"] = "lf"
    rows: Literal["plain", "all"] = "plain"
    columns: tuple[Column, ...] = ()
    shared: Literal["each", "once"] = "each"
    municipality_folder: bool = False


class Limits(Section):
    """Limits of one PDF: pages, bytes, and CPU seconds (plus 0.1 for each MiB) to check it."""

    page_limit: int = Field(50, ge=1, le=1000)
    size_limit: int = Field(20 * 1_048_576, ge=1024, le=64 * 1_048_576)
    check_seconds: float = Field(0.2, ge=0.05, le=10)


class SnailMailSettings(ChannelSection):
    """Section ``[snail_mail]``.

    ``close_after``: seconds after which an untriggered print batch is closed. ``profiles``:
    additional profiles by name.
    """

    #: A batch may contain letters of several units, so this applies to the municipality.
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
                    f"accounts.{name}.profile: must be one of {', '.join(sorted(known))}"
                )
        return self
