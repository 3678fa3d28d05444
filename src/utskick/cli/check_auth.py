"""What ``utskick check`` finds at the door: whose tokens are taken, whether they can be verified,
and who may fetch one."""

from __future__ import annotations

import asyncio
from typing import Final

from utskick import bootstrap
from utskick.auth.discovery import DiscoveryFault, KeysUnavailable, RemoteKeys
from utskick.auth.sandbox_client import NAME
from utskick.auth.settings import AuthSection, IssuerSection
from utskick.bootstrap import channels as speaking
from utskick.cli.check_result import SECONDS, Finding, Grade
from utskick.domain.clock import utc_now
from utskick.domain.errors import SettingsFault
from utskick.settings import Settings
from utskick.store.administration.health_checks import DatabaseInspection, SigningKeyState

#: What somebody should do, by what keeps an issuer's keys from being read.
_TODO: Final = {
    DiscoveryFault.METADATA_AWAY: "check url, ca_file, firewall and proxy, and ask by hand; an issuer without metadata needs jwks_url",
    DiscoveryFault.METADATA_OF_ANOTHER: "mend url; where it is right, write what the metadata name as issuer, to the letter",
    DiscoveryFault.METADATA_WITHOUT_KEYS: "set jwks_url to where its keys are",
    DiscoveryFault.KEYS_AWAY: "check jwks_url (or the metadata's jwks_uri), ca_file, firewall and proxy",
    DiscoveryFault.KEYS_UNUSABLE: "let it sign with RS256, PS256 (2048 bits or more) or ES256, and publish each key with a kid",
}


async def look(settings: Settings, inspection: DatabaseInspection | None) -> list[Finding]:
    """``inspection``: of the database, None where it cannot be looked into (yet)."""
    section: AuthSection = settings.section("auth")
    found = [_mode(settings, section)]
    if section.mode == "off":
        return found
    found += _header(settings, section)
    if section.embedded:
        found += await _embedded(settings, section, inspection)
    found += await asyncio.gather(*(_issuer(issuer) for issuer in section.issuers))
    return found


def _mode(settings: Settings, section: AuthSection) -> Finding:
    try:
        bootstrap.check_host(settings)
    except SettingsFault as fault:
        return Finding("auth", Grade.FAULT, fault.detail, "mend http.host, or [auth]")
    if section.mode == "off":
        said = f"off: whoever reaches {settings.http.host} on this machine may send and read everything"
        return Finding(
            "auth",
            Grade.WARNING,
            said,
            'set auth.mode = "embedded" or "external" (docs/how-to/manage-clients.md)',
        )
    whose = {
        "embedded": "our own issuer",
        "external": "the municipality's issuers",
        "both": "our own issuer and the municipality's",
    }
    return Finding(
        "auth", Grade.OK, f"{section.mode}: tokens of {whose[section.mode]} for {section.audience}"
    )


def _header(settings: Settings, section: AuthSection) -> list[Finding]:
    """Whoever can set it can use a token that is bound to somebody else's certificate."""
    if section.certificate_header is None:
        return []
    todo = "let the proxy remove it from what callers send"
    if bootstrap.is_loopback(settings.http.host):
        said = f"{section.certificate_header}, from a proxy on this machine"
        return [Finding("certificate header", Grade.OK, said, todo)]
    said = f"{section.certificate_header} is believed from whoever reaches {settings.http.host}:{settings.http.port}"
    return [
        Finding(
            "certificate header",
            Grade.WARNING,
            said,
            f"{todo}, and nobody but the proxy reach this port (docs/how-to/manage-clients.md)",
        )
    ]


# -- our own issuer ----------------------------------------


async def _embedded(
    settings: Settings, section: AuthSection, inspection: DatabaseInspection | None
) -> list[Finding]:
    found = [_name(settings, section)]
    if inspection is None:
        return [
            *found,
            Finding(
                "signing keys",
                Grade.OK,
                "none to look at yet: the first is made with the first token",
            ),
        ]
    return [
        *found,
        _signers(await inspection.signers()),
        _clients(settings, await inspection.clients()),
    ]


def _name(settings: Settings, section: AuthSection) -> Finding:
    if section.issuer is not None or bootstrap.is_loopback(settings.http.host):
        return Finding("issuer", Grade.OK, section.issuer or f"our own, on {settings.http.host}")
    said = f"tokens will name http://{settings.http.host}:{settings.http.port}, which is no address of a caller's"
    return Finding("issuer", Grade.WARNING, said, "set auth.issuer to the address that callers use")


def _signers(signers: list[SigningKeyState]) -> Finding:
    if not signers:
        return Finding("signing keys", Grade.OK, "none yet: the first is made with the first token")
    if locked := sum(signer.locked for signer in signers):
        said = f"{locked} of {len(signers)} cannot be opened with the vault's key"
        return Finding(
            "signing keys",
            Grade.FAULT,
            said,
            "restore the table signing_keys, or empty it: new keys are made, and tokens end",
        )
    now = utc_now()
    since = max(
        (signer.signs_from for signer in signers if signer.signs_from <= now),
        default=signers[0].signs_from,
    )
    return Finding(
        "signing keys",
        Grade.OK,
        f"{len(signers)}; the one that signs has done so since {since:%Y-%m-%d}",
    )


def _clients(settings: Settings, clients: list[str]) -> Finding:
    """Outside the sandbox its own client is revoked at the next start."""
    simulated = speaking.in_sandbox(settings)
    able = clients if simulated else [client for client in clients if client != NAME]
    if able:
        return Finding("clients", Grade.OK, f"{len(able)} may fetch tokens")
    if simulated and settings.database.url is None:
        return Finding("clients", Grade.OK, "none yet: `utskick serve` makes one for the sandbox")
    todo = f"utskick clients create NAME --municipality {settings.default_municipality} --scope sms:send"
    return Finding("clients", Grade.WARNING, "none: nobody can fetch a token", todo)


# -- issuers of the municipality's ----------------------------------------


async def _issuer(issuer: IssuerSection) -> Finding:
    keys, what = RemoteKeys(issuer), f"issuer {issuer.name}"
    try:
        async with asyncio.timeout(3 * SECONDS):
            usable = await keys.read()
    except KeysUnavailable as fault:
        return Finding(what, Grade.FAULT, str(fault), _TODO[fault.why])
    except TimeoutError:
        return Finding(
            what, Grade.FAULT, "it did not answer in time", _TODO[DiscoveryFault.METADATA_AWAY]
        )
    finally:
        await keys.close()
    algorithms = sorted({algorithm for key in usable.values() for algorithm in key.algorithms})
    return Finding(
        what,
        Grade.OK,
        f"{len(usable)} usable {'key' if len(usable) == 1 else 'keys'} ({', '.join(algorithms)})",
    )
