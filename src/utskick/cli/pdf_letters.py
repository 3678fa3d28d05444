"""``utskick send letter`` and ``send digital-mail``: PDFs on this disk, with a preview."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.markup import escape

from utskick.cli import console
from utskick.cli.client import ServiceTarget, open_client
from utskick.cli.letter_address import party_id, read_address
from utskick.cli.options import Address, High, Key, Municipality, NoWait, Reference, target_of
from utskick.cli.payloads import LocalFile, read_file
from utskick.cli.pdf_preview import KNOWN, PdfPreview
from utskick.domain.errors import Unreadable
from utskick.domain.status import Status
from utskick_client import (
    BatchResult,
    DigitalMail,
    Letter,
    LetterAttachment,
    LetterParty,
    Parties,
    Pdf,
    SendOptions,
)

_NOT_SENT = (Status.FAILED, Status.EXPIRED, Status.CANCELLED)

Mode = Literal["any", "digital-mail", "snail-mail"]
_MODES: Final[dict[Mode, Literal["ANY", "DIGITAL_MAIL", "SNAIL_MAIL"]]] = {
    "any": "ANY",
    "digital-mail": "DIGITAL_MAIL",
    "snail-mail": "SNAIL_MAIL",
}
_WAYS: Final[dict[Mode, tuple[str, ...]]] = {
    "any": ("paper", "mailbox"),
    "digital-mail": ("mailbox",),
    "snail-mail": ("paper",),
}
Files = Annotated[list[Path], typer.Argument(help="PDF to send. May be repeated.", metavar="PDF…")]
Subject = Annotated[str, typer.Option(help="Subject line in the mailbox.")]
Message = Annotated[str | None, typer.Option(help="Text shown in the mailbox, beside the PDF.")]
Department = Annotated[str, typer.Option(help="Department that is billed for paper.")]
Preview = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png",
        help="Write a picture of each page as it is printed, and say what the service will find."
        " Sends nothing.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what the service will find. Sends nothing.")
]
Profile = Annotated[str, typer.Option(help=f"Envelope in the preview: {', '.join(KNOWN)}.")]


@dataclass(frozen=True, slots=True)
class _Look:
    """Whether to look at the files instead of sending them."""

    preview: Path | None
    dry_run: bool
    profile: str

    def instead(self, files: Sequence[LocalFile], *ways: str) -> bool:
        """Show the files. Exit with status 1 if one is refused; False if they are to be sent."""
        if self.preview is None and not self.dry_run:
            return False
        shown = PdfPreview(files, ways, self.preview, self.profile)
        if not asyncio.run(shown.show()):
            console.print_line("Nothing was sent, and the service would refuse it.")
            raise typer.Exit(1)
        console.print_line("Nothing was sent: repeat the command without --preview and --dry-run.")
        return True


def letter(
    files: Files,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="Party id (UUID): digital mailbox first, else paper. Or an address, on paper:"
            ' "Anna Ek, Storgatan 1, 852 30 Sundsvall". May be repeated.'
        ),
    ] = None,
    department: Department = "",
    subject: Subject = "Brev",
    message: Message = None,
    mode: Annotated[
        Mode,
        typer.Option(help="Ways that may carry the PDFs."),
    ] = "any",
    preview: Preview = None,
    dry_run: DryRun = False,
    profile: Profile = "postnord-v2",
    reference: Reference = None,
    high: High = False,
    no_wait: NoWait = False,
    key: Key = None,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send PDFs as a letter: to the digital mailbox, and on paper where there is none.

    Example: utskick send letter beslut.pdf --to "Anna Ek, Storgatan 1, 852 30 Sundsvall"
    --department Bygg --preview page.png
    """
    read = _read(files)
    if _Look(preview, dry_run, profile).instead(read, *_WAYS[mode]):
        return
    if not to:
        raise Unreadable("--to is missing: a party id, or an address in one line")
    if not department.strip():
        raise Unreadable("--department is missing: the department that is billed")
    parties = [party for text in to if (party := party_id(text))]
    addresses = [read_address(text) for text in to if not party_id(text)]
    body = Letter(
        LetterParty(parties or None, addresses or None),
        department,
        [LetterAttachment(file.name, file.data, _MODES[mode]) for file in read],
        subject,
        message,
        "text/plain" if message else None,
        priority="HIGH" if high else None,
        reference=reference,
    )
    _finish(target_of(url, municipality), body, SendOptions(key, wait=not no_wait))


def digital_mail(
    files: Files,
    to: Annotated[
        list[str] | None, typer.Option(help="Party id (UUID) of the recipient. May be repeated.")
    ] = None,
    subject: Subject = "Meddelande",
    message: Message = None,
    organization: Annotated[
        str | None,
        typer.Option(help="Organisation number of the sender; default: the municipality's own."),
    ] = None,
    preview: Preview = None,
    dry_run: DryRun = False,
    profile: Profile = "postnord-v2",
    reference: Reference = None,
    high: High = False,
    no_wait: NoWait = False,
    key: Key = None,
    municipality: Municipality = "2281",
    url: Address = "http://127.0.0.1:8080",
) -> None:
    """Send PDFs to a digital mailbox.

    Example: utskick send digital-mail beslut.pdf --to PARTY-ID --subject Beslut
    """
    read = _read(files)
    if _Look(preview, dry_run, profile).instead(read, "mailbox"):
        return
    if not to:
        raise Unreadable("--to is missing: the party id (UUID) of the recipient")
    if wrong := [text for text in to if party_id(text) is None]:
        raise Unreadable(
            f"--to {wrong[0]} is not a party id (UUID); an address is written to with"
            " `utskick send letter`"
        )
    body = DigitalMail(
        Parties(to),
        subject,
        message,
        "text/plain" if message else None,
        [Pdf(file.name, file.data) for file in read],
        priority="HIGH" if high else None,
        reference=reference,
    )
    options = SendOptions(key, wait=not no_wait)
    _finish(target_of(url, municipality), body, options, organization)


def _read(paths: Sequence[Path]) -> list[LocalFile]:
    """Read the PDFs. Raises ``Unreadable``."""
    files = [read_file(path) for path in paths]
    for file in files:
        if b"%PDF-" not in file.data[:1024]:
            raise Unreadable(
                f"{file.name} is not a PDF: save or print the document as a PDF, and send that"
            )
    return files


def _finish(
    target: ServiceTarget,
    body: Letter | DigitalMail,
    options: SendOptions,
    organization: str | None = None,
) -> None:
    """Send; print each message and the notices. Exit with status 1 if one was not sent."""
    result = asyncio.run(_send(target, body, options, organization))
    for message in result.messages:
        console.stdout.print(console.message_table(message))
    for notice in result.notices:
        console.print_line(f"Notice on {notice.field}: {escape(notice.text)} ({notice.code})")
    if result.replayed:
        console.print_line(
            "This key has been used before: nothing new was sent, and the result above is from "
            "the earlier request."
        )
    if any(each.deliveries[-1].lifecycle in _NOT_SENT for each in result.messages):
        raise typer.Exit(1)


async def _send(
    target: ServiceTarget,
    body: Letter | DigitalMail,
    options: SendOptions,
    organization: str | None,
) -> BatchResult:
    async with open_client(target) as client:
        if isinstance(body, Letter):
            return await client.send_letter(body, options)
        return await client.send_digital_mail(body, options, organization_number=organization)
