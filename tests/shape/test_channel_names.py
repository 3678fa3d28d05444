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

#: What remains, by file. A word that is gone is taken off the list.
ALLOWED: dict[str, set[str]] = {
    # Contact methods are the contract's, and the same three words.
    "domain/directory_ports.py": {"SMS", "EMAIL", "PUSH"},
    # JSON Schema's format.
    "domain/request_parts.py": {"email"},
    "domain/validators.py": {"email"},
    # The purpose of a derived key, on disk.
    "store/directory/push_subscriptions.py": {"push"},
    # http declares its enums from it when it is imported; it goes with the list below.
    "domain/retention.py": set(TYPES),
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
    # What the peer's history has in clear, and is not imported.
    "cli/history_rows.py": {"SLACK"},
}

#: Words of http: examples of the API's description, contact methods and devices of the contract,
#: and the Swedish words of an extract.
HTTP: dict[str, set[str]] = {
    "http/context.py": {"email"},
    "http/directory/requests.py": {"PUSH", "SMS", "fcm", "webpush"},
    "http/directory/schemas.py": {"PUSH", "SMS", "fcm", "webpush"},
    "http/history/routes.py": {"SMS"},
    "http/history/schemas.py": {"LETTER", "SMS"},
    "http/history/statistics.py": {"LETTER", "MESSAGE", "SMS"},
    "http/history/users.py": {"DIGITAL_MAIL", "EMAIL", "SNAIL_MAIL"},
    "http/messages/schemas.py": {"SMS"},
    "http/operation/document.py": {"SMS"},
    "http/operation/examples.py": {"EMAIL", "SMS", "fcm"},
    "http/operation/parameters.py": {"SMS", "sms"},
    "http/privacy/extract_words.py": {*TYPES, "fcm", "webpush"},
    "http/retention/schemas.py": {"SMS"},
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
