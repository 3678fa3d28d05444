"""Authentication checks of ``utskick check``: issuers, signing keys and clients."""

from __future__ import annotations

import asyncio
from typing import Final

from utskick import bootstrap
from utskick.auth.discovery import DiscoveryFault, KeysUnavailable, RemoteKeys
from utskick.auth.sandbox_client import NAME
from utskick.auth.settings import AuthSection, IssuerSection
from utskick.bootstrap.simulation import in_sandbox
from utskick.cli.check_result import SECONDS, CheckResult, Grade
from utskick.domain.clock import utc_now
from utskick.domain.errors import SettingsFault
from utskick.settings import Settings
from utskick.store.administration.health_checks import DatabaseInspection, SigningKeyState

#: Remedy for each reason why an issuer's keys cannot be read.
_TODO: Final = {
    DiscoveryFault.METADATA_AWAY: (
        "check url, ca_file, firewall and proxy, and request the metadata by hand; an issuer "
        "without metadata needs jwks_url"
    ),
    DiscoveryFault.METADATA_OF_ANOTHER: (
        "correct url; if it is right, set issuer exactly as in the metadata"
    ),
    DiscoveryFault.METADATA_WITHOUT_KEYS: "set jwks_url to the address of its keys",
    DiscoveryFault.KEYS_AWAY: (
        "check jwks_url (or the metadata's jwks_uri), ca_file, firewall and proxy"
    ),
    DiscoveryFault.KEYS_UNUSABLE: (
        "the issuer must sign with RS256, PS256 (2048 bits or more) or ES256"
    ),
}


async def check_auth(
    settings: Settings, inspection: DatabaseInspection | None
) -> list[CheckResult]:
    """Check authentication; ``inspection`` is None if the database cannot be read (yet)."""
    section: AuthSection = settings.section("auth")
    found = [_check_mode(settings, section)]
    if section.mode == "off":
        return found
    found += _check_certificate_header(settings, section)
    if section.embedded:
        found += await _check_embedded_issuer(settings, section, inspection)
    found += await asyncio.gather(*(_check_external_issuer(issuer) for issuer in section.issuers))
    return found


def _check_mode(settings: Settings, section: AuthSection) -> CheckResult:
    try:
        bootstrap.check_host(settings)
    except SettingsFault as fault:
        return CheckResult("auth", Grade.FAULT, fault.detail, "correct http.host or [auth]")
    if section.mode == "off":
        detail = (
            f"off: every process that can reach {settings.http.host} may send and read everything"
        )
        return CheckResult(
            "auth",
            Grade.WARNING,
            detail,
            'set auth.mode = "embedded" or "external" (docs/how-to/manage-clients.md)',
        )
    issuers = {
        "embedded": "the embedded issuer",
        "external": "external issuers",
        "both": "the embedded issuer and external issuers",
    }
    return CheckResult(
        "auth",
        Grade.OK,
        f"{section.mode}: tokens of {issuers[section.mode]} for {section.audience}",
    )


def _check_certificate_header(settings: Settings, section: AuthSection) -> list[CheckResult]:
    """Check the client certificate header.

    A caller who can set the header can use a token that is bound to another caller's certificate.
    """
    if section.certificate_header is None:
        return []
    todo = "configure the proxy to remove this header from incoming requests"
    if bootstrap.is_loopback(settings.http.host):
        detail = f"{section.certificate_header}, from a proxy on this machine"
        return [CheckResult("certificate header", Grade.OK, detail, todo)]
    detail = (
        f"{section.certificate_header} is trusted from every client that can reach "
        f"{settings.http.host}:{settings.http.port}"
    )
    return [
        CheckResult(
            "certificate header",
            Grade.WARNING,
            detail,
            f"{todo}, and allow only the proxy to reach this port (docs/how-to/manage-clients.md)",
        )
    ]


# -- embedded issuer ----------------------------------------


async def _check_embedded_issuer(
    settings: Settings, section: AuthSection, inspection: DatabaseInspection | None
) -> list[CheckResult]:
    found = [_check_issuer_name(settings, section)]
    if inspection is None:
        return [
            *found,
            CheckResult(
                "signing keys",
                Grade.OK,
                "none yet: the first one is created with the first token",
            ),
        ]
    return [
        *found,
        _check_signing_keys(await inspection.signers()),
        _check_clients(settings, await inspection.clients()),
    ]


def _check_issuer_name(settings: Settings, section: AuthSection) -> CheckResult:
    """Check the issuer's name: real callers come through a proxy, also where we are on loopback."""
    trial = in_sandbox(settings) and bootstrap.is_loopback(settings.http.host)
    if section.issuer is not None or trial:
        return CheckResult(
            "issuer", Grade.OK, section.issuer or f"the service itself, on {settings.http.host}"
        )
    detail = (
        f"tokens will name http://{settings.http.host}:{settings.http.port}, which callers "
        "cannot use as an address"
    )
    return CheckResult(
        "issuer", Grade.WARNING, detail, "set auth.issuer to the address used by callers"
    )


def _check_signing_keys(keys: list[SigningKeyState]) -> CheckResult:
    if not keys:
        return CheckResult(
            "signing keys", Grade.OK, "none yet: the first one is created with the first token"
        )
    if locked := sum(key.locked for key in keys):
        detail = f"{locked} of {len(keys)} cannot be decrypted with the vault key"
        return CheckResult(
            "signing keys",
            Grade.FAULT,
            detail,
            "restore the table signing_keys, or empty it: new keys are created, and existing "
            "tokens become invalid",
        )
    now = utc_now()
    since = max(
        (key.signs_from for key in keys if key.signs_from <= now),
        default=keys[0].signs_from,
    )
    return CheckResult(
        "signing keys",
        Grade.OK,
        f"{len(keys)}; the current one has signed since {since:%Y-%m-%d}",
    )


def _check_clients(settings: Settings, clients: list[str]) -> CheckResult:
    """Check that a client exists; the sandbox client is revoked at a start without sandbox."""
    simulated = in_sandbox(settings)
    able = clients if simulated else [client for client in clients if client != NAME]
    if able:
        return CheckResult("clients", Grade.OK, f"{len(able)} may request tokens")
    if simulated and settings.database.url is None:
        return CheckResult(
            "clients", Grade.OK, "none yet: `utskick serve` creates one for the sandbox"
        )
    todo = (
        f"utskick clients create NAME --municipality {settings.default_municipality} --scope "
        "sms:send"
    )
    return CheckResult("clients", Grade.WARNING, "none: no token can be issued", todo)


# -- external issuers ----------------------------------------


async def _check_external_issuer(issuer: IssuerSection) -> CheckResult:
    keys, name = RemoteKeys(issuer), f"issuer {issuer.name}"
    try:
        async with asyncio.timeout(3 * SECONDS):
            usable = await keys.read()
    except KeysUnavailable as fault:
        return CheckResult(name, Grade.FAULT, str(fault), _TODO[fault.why])
    except TimeoutError:
        return CheckResult(
            name, Grade.FAULT, "it did not respond in time", _TODO[DiscoveryFault.METADATA_AWAY]
        )
    finally:
        await keys.close()
    algorithms = sorted({algorithm for key in usable for algorithm in key.algorithms})
    return CheckResult(
        name,
        Grade.OK,
        f"{len(usable)} usable {'key' if len(usable) == 1 else 'keys'} ({', '.join(algorithms)})",
    )
