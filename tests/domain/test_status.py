"""The statuses, their moves and the contract's words."""

from __future__ import annotations

from utskick.domain.status import (
    FINAL,
    MOVES,
    OVER,
    PENDING,
    RESTED,
    SETTLED,
    ContractStatus,
    Status,
    contract_status,
)


def test_every_status_has_its_moves_and_a_word() -> None:
    assert MOVES.keys() == set(Status)
    for status in Status:
        assert contract_status(status) in ContractStatus


def test_nothing_follows_a_final_status() -> None:
    assert {s for s in Status if not MOVES[s]} == FINAL | {Status.ROUTED}
    assert FINAL < SETTLED


def test_only_what_is_known_not_to_be_sent_is_sent_again() -> None:
    assert {s for s in Status if Status.SENDING in MOVES[s]} == {Status.QUEUED, Status.DEFERRED}
    assert {s for s in Status if Status.QUEUED in MOVES[s]} == {Status.UNCERTAIN}


def test_a_delivery_is_pending_gathered_uncertain_or_over() -> None:
    assert PENDING | {Status.GATHERED, Status.UNCERTAIN} == set(Status) - OVER
    assert not PENDING & RESTED


def test_the_contract_words() -> None:
    words = {
        Status.QUEUED: "PENDING",
        Status.SENDING: "PENDING",
        Status.DEFERRED: "PENDING",
        Status.UNCERTAIN: "AWAITING_FEEDBACK",
        Status.SENT: "SENT",
        Status.DELIVERED: "SENT",
        Status.EXPIRED: "NOT_SENT",
        Status.CANCELLED: "NOT_SENT",
        Status.FAILED: "FAILED",
        Status.GATHERED: "SENT",
        Status.ROUTED: "PENDING",
    }
    assert {s: contract_status(s).value for s in Status} == words
    assert contract_status(Status.FAILED, "declined-unknown-recipient") is ContractStatus.NOT_SENT
    assert (
        contract_status(Status.FAILED, "no-contact-settings")
        is ContractStatus.NO_CONTACT_SETTINGS_FOUND
    )
    assert contract_status(Status.FAILED, "no-contact-wanted") is ContractStatus.NO_CONTACT_WANTED
    assert contract_status(Status.FAILED, "undeliverable-no-address") is ContractStatus.FAILED
