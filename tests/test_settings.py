"""Settings: one file, the environment over it, secrets from files; all faults together."""

from __future__ import annotations

from pathlib import Path

import pytest

from utskick.bootstrap import cipher_of, policies_of, read_settings
from utskick.bootstrap.channels import channels_of, check_accounts, in_sandbox, kinds_of
from utskick.directory.empty import EMPTY_DIRECTORY
from utskick.domain.errors import SettingsFault
from utskick.outgoing.address_guard import AddressPolicy

FILE = """
municipalities = ["2281", "0180"]
[http]
port = 9000
[sms]
sender = "Kommunen"
[sms.accounts.link]
provider = "link"
url = "https://sms.example.se"
username = "u"
password = "in the file"
platform_id = "p"
partner_id = "q"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "utskick.toml"
    path.write_text(FILE)
    return path


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UTSKICK_HTTP__PORT", "9100")
    settings = read_settings(file)
    assert settings.http.port == 9100
    assert settings.municipalities == ("2281", "0180")
    assert settings.section("sms").accounts["link"].password.get_secret_value() == "in the file"


def test_secrets_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "utskick.toml"
    file.write_text(FILE.replace('password = "in the file"\n', ""))
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "sms__accounts__link__password").write_text("from a file\n")
    monkeypatch.setenv("UTSKICK_SECRETS_DIR", str(secrets))
    assert (
        read_settings(file).section("sms").accounts["link"].password.get_secret_value()
        == "from a file"
    )


def test_all_faults_are_told_together_and_no_secret_with_them(tmp_path: Path) -> None:
    file = tmp_path / "utskick.toml"
    file.write_text(
        FILE.replace("port = 9000", 'port = "many"\nhots = "x"').replace(
            'platform_id = "p"', "platform_id = 5"
        )
    )
    with pytest.raises(SettingsFault) as fault:
        read_settings(file)
    told = fault.value.detail
    for place in ("http.port", "http.hots", "sms.accounts.link"):
        assert place in told
    assert "in the file" not in told


@pytest.mark.parametrize(
    "text", ["municipalities = [", 'default_municipality = "9999"', 'municipalities = ["22"]']
)
def test_a_file_that_cannot_be_used_is_refused_with_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "utskick.toml"
    file.write_text(text)
    with pytest.raises(SettingsFault):
        read_settings(file)
    with pytest.raises(SettingsFault, match="does not exist"):
        read_settings(tmp_path / "nowhere.toml")


def test_the_sandbox_is_on_until_a_channel_has_accounts(file: Path) -> None:
    assert in_sandbox(read_settings(None))
    assert not in_sandbox(read_settings(file))
    assert in_sandbox(read_settings(file, {"sandbox": {"enabled": True}}))


def test_a_service_that_can_reach_nobody_does_not_start() -> None:
    with pytest.raises(SettingsFault, match="no channel has a provider account"):
        check_accounts(
            channels_of(
                kinds_of(read_settings(None, {"sandbox": {"enabled": False}}), None),
                [],
                EMPTY_DIRECTORY,
                AddressPolicy(),
            )
        )


def test_retry_is_set_for_channels_that_exist() -> None:
    assert (
        policies_of(read_settings(None, {"retry": {"sms": {"first": 1}}}))[
            "sms"
        ].first.total_seconds()
        == 1
    )
    with pytest.raises(SettingsFault, match="pigeon"):
        policies_of(read_settings(None, {"retry": {"pigeon": {}}}))


def test_production_email_needs_a_sender() -> None:
    with pytest.raises(SettingsFault, match="sender must be set where accounts are configured"):
        read_settings(None, {"email": {"accounts": {"a": {"host": "mail.example.se"}}}})


def test_a_database_of_ones_own_needs_a_key() -> None:
    with pytest.raises(SettingsFault, match="utskick vault new-key"):
        cipher_of(read_settings(None, {"database": {"url": "postgresql://u@127.0.0.1/db"}}))


def test_a_key_and_a_file_of_it_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="set one of key, key_file and key_command"):
        read_settings(None, {"vault": {"key": "x", "key_file": tmp_path}})


def test_a_directory_that_cannot_be_reached_is_a_fault_of_the_settings() -> None:
    with pytest.raises(SettingsFault, match=r"directory: .*\[directory.remote.party\]"):
        read_settings(None, {"directory": {"parties": "remote"}})
