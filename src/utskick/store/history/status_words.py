"""The contract's words in SQL: made from ``domain.status``, so that both always say the same."""

from __future__ import annotations

from itertools import groupby

from utskick.domain.status import POLITE, SAID, SHOWN, UNDELIVERABLE, ContractStatus, Status


def word(status: str, code: str) -> str:
    """``domain.status.shown`` as an expression of two others. Null for a delivery that was routed:
    its answers are told."""
    polite = (
        f"WHEN {status} = 'failed' AND {code} LIKE '{POLITE}%' THEN '{ContractStatus.NOT_SENT}'"
    )
    said = [
        f"WHEN {status} = 'failed' AND {code} = '{reason}' THEN '{told}'"
        for reason, told in SAID.items()
    ]
    plain = sorted(
        (s for s in SHOWN.items() if s[0] is not Status.ROUTED), key=lambda item: item[1]
    )
    shown = [
        f"WHEN {status} IN ({_listed(s for s, _ in group)}) THEN '{told}'"
        for told, group in groupby(plain, key=lambda item: item[1])
    ]
    return " ".join(["CASE", polite, *said, *shown, "END"])


def shown_type(message_type: str, original_type: str, code: str) -> str:
    """``store.history.State.shown_type`` as an expression of three others."""
    return f"CASE WHEN {code} LIKE '{UNDELIVERABLE}%' THEN {original_type} ELSE {message_type} END"


def _listed(statuses: object) -> str:
    assert hasattr(statuses, "__iter__")
    return ", ".join(f"'{status.value}'" for status in statuses)
