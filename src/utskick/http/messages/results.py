"""Response bodies of deliveries, messages and batches.

With the members of the contract and those of Utskick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson

from utskick.domain.channel import Plan
from utskick.domain.clock import swedish
from utskick.domain.message import NumberedRequest
from utskick.domain.notice import shown
from utskick.domain.outcome import Reason
from utskick.domain.status import ContractStatus, Status, contract_status
from utskick.http.wire.language import LANGUAGE
from utskick.http.wire.responses import without_nulls
from utskick.store.administration.circuits import OpenCircuit
from utskick.store.history.hand_overs import FailingHandOver
from utskick.store.history.status import DeliveryEvent, DeliveryState

#: Returns an account's name for people (``domain.account_label``).
Label = Callable[[str], str]
_NONE: Final[Mapping[UUID, FailingHandOver]] = {}


def reason_of(reason: Reason | None) -> dict[str, Any] | None:
    if reason is None:
        return None
    return without_nulls(
        {"code": reason.code, "message": reason.sentence, "providerCode": reason.provider_code}
    )


def delivery_of(
    state: DeliveryState, failing: Mapping[UUID, FailingHandOver] = _NONE
) -> dict[str, Any]:
    """Build DeliveryResult, with life-cycle status, reason and number of attempts.

    ``failing``: hand-overs that fail, by print batch.
    """
    batch = state.print_batch if state.status is Status.GATHERED else None
    hand_over = failing.get(batch) if batch is not None else None
    return without_nulls(
        {
            "deliveryId": str(state.id),
            "messageType": state.visible_type,
            "status": contract_status(
                state.status, state.reason.code if state.reason else None
            ).value,
            "lifecycle": state.status.value,
            "attempts": state.attempts,
            "reason": reason_of(state.reason),
            "handOver": _hand_over_of(hand_over) if hand_over is not None else None,
        }
    )


def _hand_over_of(failing: FailingHandOver) -> dict[str, Any]:
    """Build what has come of the hand-over of a letter so far."""
    return without_nulls(
        {
            "account": failing.account,
            "attempts": failing.attempts,
            "since": swedish(failing.since),
            "retryAt": swedish(failing.retry_at) if failing.retry_at is not None else None,
            "reason": reason_of(failing.reason),
        }
    )


def waits_for(circuit: OpenCircuit, label: Label) -> dict[str, Any]:
    """Build what a pending delivery waits for."""
    return without_nulls(
        {
            "account": label(circuit.account),
            "destination": circuit.destination,
            "since": swedish(circuit.since),
            "retryAt": swedish(circuit.retry_at),
            "reason": reason_of(circuit.reason),
        }
    )


def overall(states: Sequence[DeliveryState]) -> ContractStatus:
    """Return the status of a routed delivery from those of its legs.

    Pending while any is, else the best outcome.
    """
    words = [
        contract_status(state.status, state.reason.code if state.reason else None)
        for state in states
    ]
    order = (
        ContractStatus.PENDING,
        ContractStatus.SENT,
        ContractStatus.AWAITING_FEEDBACK,
        ContractStatus.NOT_SENT,
        ContractStatus.FAILED,
    )
    return next((word for word in order if word in words), ContractStatus.PENDING)


def event_of(event: DeliveryEvent, label: Label) -> dict[str, Any]:
    """Build DeliveryEvent."""
    return without_nulls(
        {
            "timestamp": swedish(event.at),
            "status": event.status,
            "became": event.became,
            "attempt": event.attempt,
            "provider": event.account and label(event.account),
            "providerReference": event.reference,
            "reason": reason_of(event.reason),
            "actor": event.actor,
        }
    )


def message_of(
    states: Sequence[DeliveryState], failing: Mapping[UUID, FailingHandOver] = _NONE
) -> dict[str, Any]:
    """Build MessageResult of a stored message. ``failing``: hand-overs, by print batch."""
    return without_nulls(
        {
            "messageId": str(states[0].message_id),
            "batchId": str(states[0].batch_id),
            "reference": states[0].reference,
            "deliveries": [delivery_of(state, failing) for state in states],
        }
    )


def remarks_of(plan: Plan) -> dict[str, Any]:
    """Return the members of an answer that say what was found in the request."""
    return {**plan.remarks, **shown(plan.notices, LANGUAGE.get())}


def accepted_message(numbered: NumberedRequest) -> dict[str, Any]:
    """Build MessageResult of a request that was accepted and is not waited for.

    Without ``status``, as the contract.
    """
    message_id, delivery_id = numbered.ids[0]
    return without_nulls(
        {
            "messageId": str(message_id),
            "batchId": str(numbered.batch_id),
            "reference": numbered.plan.recipients[0].reference or numbered.plan.reference,
            "deliveries": [
                {"deliveryId": str(delivery_id), "messageType": numbered.visible_type(0)}
            ],
            **remarks_of(numbered.plan),
        }
    )


def accepted_batch(numbered: NumberedRequest) -> Iterator[bytes]:
    """Yield MessageBatchResult in pieces, in the order of the request.

    100 000 messages are 18 MB.
    """
    plan = numbered.plan
    head = without_nulls(
        {"batchId": str(numbered.batch_id), "reference": plan.reference, **remarks_of(plan)}
    )
    if len(plan.entries) > len(plan.recipients):
        head["duplicates"] = len(plan.entries) - len(plan.recipients)
    yield orjson.dumps(head)[:-1] + b',"messages":['
    piece = []
    for position, index in enumerate(plan.entries):
        message_id, delivery_id = numbered.ids[index]
        reference = plan.recipients[index].reference
        named = f'"reference":{orjson.dumps(reference).decode()},' if reference is not None else ""
        comma, kind = "," if position else "", numbered.visible_type(index)
        piece.append(
            f'{comma}{{"messageId":"{message_id}",{named}"deliveries":'
            f'[{{"deliveryId":"{delivery_id}","messageType":"{kind}"}}]}}'
        )
        if len(piece) == 2000:
            yield "".join(piece).encode()
            piece.clear()
    yield "".join(piece).encode() + b"]}"
