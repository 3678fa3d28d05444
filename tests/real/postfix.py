"""Postfix, with one submission service for each behaviour on a port of its own."""

from __future__ import annotations

import re
import shutil
import time
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any, Final

import pytest

from tests.real.server import HOST, Certificate, Server, free_ports, program, run

USERNAME, PASSWORD = "utskick", "correct-horse-battery"

#: Services by name, each with its options of smtpd(8).
SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "plain": (),
    "starttls": (
        "smtpd_tls_security_level=encrypt",
        "smtpd_sasl_auth_enable=yes",
        "smtpd_client_restrictions=permit_sasl_authenticated,reject",
    ),
    "tls": (
        "smtpd_tls_wrappermode=yes",
        "smtpd_sasl_auth_enable=yes",
        "smtpd_client_restrictions=permit_sasl_authenticated,reject",
    ),
    "limited": ("smtpd_client_message_rate_limit=2",),
    # One of them is that of the test that it has started.
    "crowded": ("smtpd_client_connection_rate_limit=2",),
    "impatient": ("smtpd_timeout=1s",),
    "slow": ("smtpd_client_restrictions=sleep 2", "smtpd_delay_reject=no"),
    "closed": ("smtpd_client_restrictions=reject",),
    "closed-at-once": ("smtpd_client_restrictions=reject", "smtpd_delay_reject=no"),
    "no-relay": ("mynetworks=", "smtpd_relay_restrictions=reject_unauth_destination"),
    "no-relay-yet": ("mynetworks=", "smtpd_relay_restrictions=defer_unauth_destination"),
    "strict-helo": ("smtpd_helo_restrictions=reject",),
    "strict-helo-at-once": ("smtpd_helo_restrictions=reject", "smtpd_delay_reject=no"),
    "small": ("message_size_limit=20000",),
}
_MASTER: Final = """\
pickup    unix  n  -  n  60  1  pickup
cleanup   unix  n  -  n  -   0  cleanup
qmgr      unix  n  -  n  300 1  qmgr
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
rewrite   unix  -  -  n  -   -  trivial-rewrite
bounce    unix  -  -  n  -   0  bounce
defer     unix  -  -  n  -   0  bounce
trace     unix  -  -  n  -   0  bounce
verify    unix  -  -  n  -   1  verify
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -   -  proxymap
proxywrite unix -  -  n  -   1  proxymap
smtp      unix  -  -  n  -   -  smtp
relay     unix  -  -  n  -   -  smtp
showq     unix  n  -  n  -   -  showq
error     unix  -  -  n  -   -  error
retry     unix  -  -  n  -   -  error
discard   unix  -  -  n  -   -  discard
local     unix  -  n  n  -   -  local
virtual   unix  -  n  n  -   -  virtual
lmtp      unix  -  -  n  -   -  lmtp
anvil     unix  -  -  n  -   1  anvil
scache    unix  -  -  n  -   1  scache
postlog   unix-dgram n - n -  1  postlogd
refusing  unix  -  n  n  -   -  pipe
  user=nobody argv=/bin/sh -c {exit 67}
"""
#: What is answered at RCPT to ``rcpt.<name>@kommun.test``, and after the final dot to
#: ``end.<name>@kommun.test``.
REPLIES: Final = {
    "busy": "450 busy, come again",
    "grey": "450 4.2.0 Greylisted for 300 seconds",
    "local": "451 4.3.0 Local error in processing",
    "bare451": "451 Local error",
    "system-full": "452 4.3.1 Insufficient system storage",
    "full-for-now": "452 4.2.2 Mailbox full",
    "no-route": "451 4.4.3 Temporary lookup failure",
    "closing": "421 4.3.2 Come again later",
    "unknown": "550 5.1.1 User unknown",
    "denied": "550 Access denied",
    "disabled": "550 5.2.1 Mailbox disabled",
    "moved": "551 5.1.6 User has moved",
    "full": "552 5.2.2 Mailbox full",
    "syntax": "553 5.1.3 Bad address syntax",
    "refused": "554 5.0.0 Transaction failed",
    "policy": "554 5.7.1 Not allowed by policy",
    "dmarc": "550 5.7.26 Unauthenticated sender",
}


class Postfix(Server):
    """An instance of its own; mail to ``kommun.test`` goes to maildirs in its folder.

    Local parts: ``anna``, ``noreply``, ``bounces`` (also with ``+…``), ``refusing`` (accepted, then returned to
    the envelope sender), and those of ``REPLIES``.
    """

    name = "Postfix"

    def __init__(self) -> None:
        super().__init__()
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self._running = False

    @property
    def where(self) -> str:
        return ", ".join(f"{name} {port}" for name, port in self.ports.items())

    def start(self) -> None:
        program("postfix")
        self.certificate = Certificate(self.folder)
        (self.folder / "mail").mkdir()
        shutil.chown(self.folder / "mail", "nobody")
        self._make_login()
        (self.folder / "main.cf").write_text(self._main())
        (self.folder / "master.cf").write_text(_MASTER + self._services())
        for step in ("rcpt", "end"):
            (self.folder / f"{step}.map").write_text(
                "".join(f"/^{step}\\.{name}@/ {reply}\n" for name, reply in REPLIES.items())
            )
        (self.folder / "sender.map").write_text("/^refused@/ 550 5.7.1 Sender is not allowed\n")
        (self.folder / "transport.map").write_text("/^refusing@/ refusing:\n")
        mailboxes = ("anna", "noreply", "refusing", "rcpt", "end")
        (self.folder / "mailbox.map").write_text(
            "/^bounces(\\+.*)?@/ bounces/\n"
            + "".join(f"/^{name}(\\..*)?@/ {name}/\n" for name in mailboxes)
        )
        (self.folder / "spool").mkdir()
        run(program("postfix"), "-c", self.folder, "start")
        self._running = True
        self.wait_for(*self.ports.values())

    def stop(self) -> None:
        if self._running:
            run(program("postfix"), "-c", self.folder, "stop")

    def log(self) -> str:
        log = self.folder / "mail.log"
        return log.read_text() if log.exists() else ""

    def _main(self) -> str:
        folder = self.folder
        told: dict[str, Any] = {
            "compatibility_level": "3.6",
            "queue_directory": folder / "spool",
            "data_directory": folder / "data",
            "command_directory": Path(program("postfix")).parent,
            "maillog_file": folder / "mail.log",
            "maillog_file_prefixes": folder,
            "inet_interfaces": "all",
            "inet_protocols": "ipv4",
            "myhostname": "mail.kommun.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "recipient_delimiter": "+",
            "virtual_mailbox_domains": "kommun.test",
            "virtual_mailbox_base": folder / "mail",
            "virtual_mailbox_maps": f"regexp:{folder}/mailbox.map",
            "virtual_uid_maps": "static:65534",
            "virtual_gid_maps": "static:65534",
            "transport_maps": f"regexp:{folder}/transport.map",
            "smtpd_sender_restrictions": f"check_sender_access regexp:{folder}/sender.map",
            "smtpd_recipient_restrictions": f"check_recipient_access regexp:{folder}/rcpt.map",
            "smtpd_end_of_data_restrictions": f"check_recipient_access regexp:{folder}/end.map",
            "smtpd_relay_restrictions": "permit_mynetworks,permit_sasl_authenticated,"
            "defer_unauth_destination",
            "smtpd_client_event_limit_exceptions": "",
            "smtpd_tls_cert_file": self.certificate.certificate,
            "smtpd_tls_key_file": self.certificate.key,
            "smtpd_sasl_local_domain": "kommun.test",
            "cyrus_sasl_config_path": folder / "sasl",
            "default_transport": "discard",
            "smtpd_error_sleep_time": "0",
        }
        return "".join(f"{name} = {value}\n" for name, value in told.items())

    def _services(self) -> str:
        services = ""
        for name, options in SERVICES.items():
            services += f"{HOST}:{self.ports[name]} inet n - n - - smtpd\n"
            for option in options:
                services += f"  -o {{{option.replace('=', ' = ', 1)}}}\n"
        return services

    def _make_login(self) -> None:
        sasl, database = self.folder / "sasl", self.folder / "sasldb2"
        sasl.mkdir()
        (sasl / "smtpd.conf").write_text(
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
            f"sasldb_path: {database}\nmech_list: PLAIN LOGIN\n"
        )
        run(
            *(program("saslpasswd2"), "-p", "-c", "-f", database, "-u", "kommun.test", USERNAME),
            text=f"{PASSWORD}\n",
        )
        shutil.chown(database, "postfix")

    def account(self, service: str, **more: Any) -> dict[str, Any]:
        """Return the settings of an account at a service."""
        login = {"username": USERNAME, "password": PASSWORD}
        secured = service in ("starttls", "tls")
        ca = {"ca_file": str(self.certificate.certificate)} if secured else {}
        return {
            "host": HOST,
            "port": self.ports[service],
            "security": service if secured else "plain",
            "helo": "utskick.kommun.test",
            **(login if secured else {}),
            **ca,
            **more,
        }

    def mails(self, mailbox: str) -> list[Message]:
        """Return the mails that a mailbox has received."""
        folder = self.folder / "mail" / mailbox / "new"
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        return [message_from_bytes(path.read_bytes()) for path in found]

    def mail_to(self, mailbox: str, contains: str) -> Message:
        """Wait for the mail that contains a text, and return it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for mail in self.mails(mailbox):
                if contains in mail.as_string():
                    return mail
            time.sleep(0.05)
        pytest.fail(f"no such mail to {mailbox}:\n{self.log()[-3000:]}")

    def accepted(self, contains: str) -> int:
        """Return how many mails whose Message-ID contains a text Postfix has accepted."""
        return len(re.findall(rf"message-id=<[^>]*{re.escape(contains)}", self.log()))
