"""The files of packaging/debian, read by systemd and nginx themselves where they are installed."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.real.server import Certificate, free_ports

FILES = Path(__file__).parents[2] / "packaging" / "debian"
PAGE = FILES.parents[1] / "docs/how-to/install-on-debian.md"
UNITS = ["utskick-worker@.service", "utskick.service"]
#: Lines that may differ between the two units: what runs, and how much memory it may use.
OWN = ("#", "Description=", "ExecStart=", "KillMode=", "RuntimeDirectory=", "Memory")


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def analyze(folder: Path, *arguments: str) -> str:
    """Run systemd-analyze on the units, with a program that exists here."""
    for name in UNITS:
        text = (FILES / name).read_text()
        (folder / name).write_text(re.sub(r"ExecStart=\S+", "ExecStart=/usr/bin/true", text))
    done = subprocess.run(
        [program("systemd-analyze"), *arguments, *(str(folder / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    assert "utskick" not in analyze(tmp_path, "verify")


def test_the_exposure_is_what_the_page_says(tmp_path: Path) -> None:
    levels = set(
        re.findall(
            r"level for utskick\S*: ([0-9.]+)", analyze(tmp_path, "security", "--offline=true")
        )
    )
    assert len(levels) == 1
    assert f"exposure level {levels.pop()}" in PAGE.read_text()


def test_the_units_differ_in_what_they_run_only() -> None:
    lines = [
        [line for line in (FILES / name).read_text().splitlines() if not line.startswith(OWN)]
        for name in UNITS
    ]
    assert lines[0] == lines[1]
    assert "NoNewPrivileges=yes" in lines[0]


def test_nginx_answers_in_json_for_itself(tmp_path: Path) -> None:
    http, https, closed = free_ports(3)
    certificate = Certificate(tmp_path)
    site = (FILES / "nginx.conf").read_text()
    for old, new in (
        ("listen [::]:80;", ""),
        ("listen [::]:443 ssl http2;", ""),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("listen 443", f"listen 127.0.0.1:{https}"),
        ("127.0.0.1:8080", f"127.0.0.1:{closed}"),
        ("64m", "1k"),
        ("/etc/ssl/utskick/fullchain.pem", str(certificate.certificate)),
        ("/etc/ssl/utskick/key.pem", str(certificate.key)),
    ):
        assert old in site
        site = site.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{site}}}\n"
    )
    nginx = [program("nginx"), "-e", str(tmp_path / "error.log"), "-c", str(configuration)]
    checked = subprocess.run([*nginx, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(nginx)
    try:
        while not (tmp_path / "pid").exists():  # written once it listens
            assert process.poll() is None
            time.sleep(0.05)
        for size, status in (("10", "502"), ("5000", "413")):
            url = f"https://127.0.0.1:{https}/2281/sms"
            command = [program("curl"), "--silent", "--insecure", "--include", url]
            command += ["--data", "x" * int(size)]
            answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            assert f" {status} " in answer.splitlines()[0] + " "
            assert "content-type: application/problem+json" in answer.lower()
            assert f'"status":{status}' in answer
    finally:
        process.terminate()
        process.wait()
