"""Readable names of provider accounts: ``link@2281/Skola`` for what is stored as a shorter name."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from utskick.domain.channel import Account, Channel


def label_of(channels: Mapping[str, Channel], account: str) -> str:
    """Return the readable name of an account.

    That of an account of a unit which is no longer configured is its stored name.
    """
    name, at, tag = account.partition("@")
    if not at:
        return account
    units = (
        each.label.partition("@")[2]
        for channel in channels.values()
        for each in channel.accounts
        if each.label and each.name.endswith(f"@{tag}")
    )
    unit = next(units, None)
    return account if unit is None else f"{name}@{unit}"


def stored_name(accounts: Collection[Account], name: str) -> str | None:
    """Return the stored name of an account that a provider's call names, None if there is none.

    ``name``: the stored name, or the readable one with full stops in place of its slashes, as it is
    one segment of a path.
    """
    if any(account.name == name for account in accounts):
        return name
    readable = [a.name for a in accounts if a.label and a.label.replace("/", ".") == name]
    return readable[0] if len(readable) == 1 else None
