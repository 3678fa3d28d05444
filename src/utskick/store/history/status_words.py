"""The contract's words in SQL, built from ``domain.status`` so that both always agree."""

from __future__ import annotations

from itertools import groupby

from utskick.domain.status import (
    DECLINED,
    UNDELIVERABLE,
    VISIBLE,
    VISIBLE_REASONS,
    ContractStatus,
    Status,
)
from utskick.store.transitions import listed


def word(status: str, code: str) -> str:
    """Return ``domain.status.contract_status`` as an SQL expression of two others.

    Null for a routed delivery: its answers are counted.
    """
    failed = f"{status} = '{Status.FAILED}'"
    cases = [f"WHEN {failed} AND {code} LIKE '{DECLINED}%' THEN '{ContractStatus.NOT_SENT}'"]
    cases += [
        f"WHEN {failed} AND {code} = '{reason}' THEN '{visible}'"
        for reason, visible in VISIBLE_REASONS.items()
    ]
    others = [item for item in VISIBLE.items() if item[0] is not Status.ROUTED]
    cases += [
        f"WHEN {status} IN {listed(s for s, _ in group)} THEN '{visible}'"
        for visible, group in groupby(sorted(others, key=lambda item: item[1]), lambda i: i[1])
    ]
    return " ".join(["CASE", *cases, "END"])


def visible_type(message_type: str, original_type: str, code: str) -> str:
    """Return ``DeliveryState.visible_type`` as an SQL expression of three others."""
    return f"CASE WHEN {code} LIKE '{UNDELIVERABLE}%' THEN {original_type} ELSE {message_type} END"
