"""A channel is named in its folder and in the registry, and nowhere else.

Found are strings of the code: names of channels, the contract's message types, and the words of
providers. Docstrings and comments may name them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from utskick.channels.registry import CHANNELS, TYPES

SOURCE = Path(__file__).parents[2] / "src" / "utskick"

#: Where channels are at home: their folders with the registry, the simulators of their providers,
#: and the mailings of the demo.
HOMES = ("channels", "sandbox", "cli/demo")

#: Words of the contract and of JSON beside names of channels: found only as a whole string.
ORDINARY = {"email", "push", "letter"}
#: The member of nearly every request and problem: not looked for.
MEMBER = "message"

PROVIDERS = {
    "46elks",
    "elks",
    "fcm",
    "webpush",
    "kivra",
    "minameddelanden",
    "open_e",
    "open-e",
    "twilio",
    "smpp",
    "smtp",
    "graph",
    "sftp",
    "smb",
}

#: What remains, by file: words that name something else beside a channel, or show an example to
#: people. A word that is gone is taken off the list.
ALLOWED: dict[str, set[str]] = {
    # The contract's contact methods.
    "domain/directory_ports.py": {"SMS", "EMAIL", "PUSH"},
    # JSON Schema's format.
    "domain/request_parts.py": {"email"},
    "domain/validators.py": {"email"},
    # The purpose of a derived key, on disk.
    "store/directory/push_subscriptions.py": {"push"},
    # Examples in help texts and advice.
    "bootstrap/channels.py": {"sms"},
    "cli/check_auth.py": {"sms"},
    "cli/clients.py": {"sms"},
    "cli/commands.py": {"SMS"},
    "cli/configuration.py": {"sms", "digital_mail"},
    "cli/service.py": {"sms", "SMS"},
    "outgoing/settings_types.py": {"sms"},
    # Commands of these two channels: lists of numbers and addresses, domains of senders.
    "cli/recipients_csv.py": {"sms", "email"},
    "cli/check.py": {"email"},
    # Delivery modes of the contract, and the command that sends a letter.
    "cli/pdf_letters.py": {"DIGITAL_MAIL", "SNAIL_MAIL"},
    "cli/send.py": {"letter"},
    # What the peer's history has in clear, and is not imported.
    "cli/history_rows.py": {"SLACK"},
}

#: Words of the API, which are the contract's or OpenAPI's beside the channels.
HTTP: dict[str, set[str]] = {
    # A member of OpenAPI's contact object.
    "http/context.py": {"email"},
    # Contact methods, and the kinds of push devices.
    "http/directory/requests.py": {"PUSH", "SMS", "fcm", "webpush"},
    "http/directory/schemas.py": {"PUSH", "SMS", "fcm", "webpush"},
    "http/operation/examples.py": {"EMAIL", "SMS", "fcm"},
    "http/privacy/extract_words.py": {"fcm", "webpush"},
    # The description of the contract's statistics of letters and SMS.
    "http/history/operations.py": {"SMS"},
    # The same, and the member `sms` of answers.
    "http/history/schemas.py": {"SMS", "sms"},
    "http/messages/schemas.py": {"SMS", "sms"},
    # The contract's word for messages of types that it does not have.
    "http/operation/strict.py": {"MESSAGE"},
    # The first sentence about the service.
    "http/operation/document.py": {"SMS"},
}


def words_of(text: str) -> Iterator[str]:
    names = {*CHANNELS, *TYPES, *PROVIDERS} - {MEMBER}
    if text in names:
        yield text
    for word in re.findall(r"[A-Za-z0-9_-]+", text):
        if word in names - ORDINARY and word != text:
            yield word


def strings_of(tree: ast.Module) -> Iterator[str]:
    described = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in described
        ):
            yield node.value


def found_in(path: Path) -> set[str]:
    return {word for text in strings_of(ast.parse(path.read_text())) for word in words_of(text)}


FILES = [
    path.relative_to(SOURCE).as_posix()
    for path in sorted(SOURCE.rglob("*.py"))
    if not path.relative_to(SOURCE).as_posix().startswith(tuple(f"{home}/" for home in HOMES))
]


def test_no_channel_is_named_outside_its_home() -> None:
    found = {name: words for name in FILES if (words := found_in(SOURCE / name))}
    assert found == {**ALLOWED, **HTTP}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('"""About sms."""\nx = 1', set()),
        ("kind = 'SMS'", {"SMS"}),
        ("sql = \"message_type IN ('SLACK', 'PUSH')\"", {"SLACK", "PUSH"}),
        ("members = {'message': 1, 'email_address': 2}", set()),
        ("channel == 'push'", {"push"}),
        ("sentence = 'set sms.sender'", {"sms"}),
    ],
)
def test_names_are_found_in_strings(code: str, found: set[str], tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text(code)
    assert found_in(path) == found
