"""Malformed secrets and addresses: one sentence without the value, exit status 1, no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
URLS = [
    "",
    "hemligt",
    "mysql://u:hemligt@h/d",
    "postgresql://",
    "postgresql://u:hemligt@127.0.0.1:1/d",
    "postgresql://u:hemligt@127.0.0.1:1/d\n",
    "postgresql://u:hemligt@[::1",
    "postgresql://u:hemligt@h.invalid/d",
    "postgresql://u:hemligt@h/d?nonsense=1",
    "postgresql://u:hemligt@h/d?sslmode=perhaps",
    "postgresql://u:hemligt@h:hemligt/d",
    "postgresql://u:hemligt%zz@h/d",
    "postgresql://ü:hemligt@h.invalid/d",
]


def run(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "utskick", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "UTSKICK_SANDBOX__ENABLED": "false", **environment},
        timeout=60,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    return output


@pytest.mark.parametrize("url", URLS)
def test_migrate_says_what_is_wrong_with_the_database(url: str, tmp_path: Path) -> None:
    output = run(tmp_path, "migrate", UTSKICK_DATABASE__URL=url, UTSKICK_VAULT__KEY=KEY)
    assert output.startswith("utskick: ")
    assert output.count("\n") == 1
    assert "database" in output
    assert "hemligt" not in output


@pytest.mark.parametrize("command", ["migrate", "serve", "worker"])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("sms", b"hemligt"),
        ("sms__accounts__link__password", b"\xff\xfehemligt"),
        ("vault__key", b"hemligt"),
        ("vault__key", b""),
    ],
)
def test_a_malformed_file_of_secrets_is_one_sentence(
    command: str, file: str, content: bytes, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / file).write_bytes(content)
    (secrets / "database__url").write_text("postgresql://u:hemligt@127.0.0.1:1/d")
    output = run(tmp_path, command, CREDENTIALS_DIRECTORY=str(secrets))
    assert "hemligt" not in output


@pytest.mark.parametrize("name", ["DATABASE", "HTTP", "SMS"])
def test_a_table_in_the_environment_that_is_not_json_is_one_sentence(
    name: str, tmp_path: Path
) -> None:
    output = run(tmp_path, "migrate", **{f"UTSKICK_{name}": "hemligt"})
    assert output.startswith(f"utskick: {name.lower()}, from the environment: must be JSON")
    assert "hemligt" not in output
