"""Dependencies of the endpoints, composed by ``bootstrap``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from utskick.auth.setup import Access
from utskick.configuration.watcher import ConfigurationWatcher
from utskick.directory.database import DatabaseDirectory
from utskick.domain.channel import Channel
from utskick.domain.clock import Clock
from utskick.domain.retention import RetentionRule
from utskick.domain.unit import Unit
from utskick.engine.batch_progress import Progress
from utskick.engine.intake import Intake
from utskick.engine.receipts import Receipts
from utskick.engine.sync_wait import SyncWaiters
from utskick.http.audit.denials import DenialLog
from utskick.http.wire.forwarded import TrustedProxies
from utskick.http.wire.memory import MemoryBudget
from utskick.outgoing.address_guard import AddressPolicy
from utskick.outgoing.webhooks import WebhookClient
from utskick.store.administration.circuits import Circuits
from utskick.store.database import Database
from utskick.store.history.conversations import Conversations
from utskick.store.history.hand_overs import HandOvers
from utskick.store.history.status import History
from utskick.store.messages.resolutions import Resolutions
from utskick.store.messages.withdrawals import Withdrawals


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes the API. ``url``: its public address, without a slash at the end.

    ``docs``: whether its description is served.
    """

    url: str
    contact_name: str
    contact_url: str | None = None
    contact_email: str | None = None
    terms: str | None = None
    docs: bool = True

    def info(self) -> dict[str, Any]:
        """Build contact and terms of the ``info`` object of OpenAPI."""
        contact = {"name": self.contact_name, "url": self.contact_url or self.url}
        if self.contact_email is not None:
            contact["email"] = self.contact_email
        return {"termsOfService": self.terms or f"{self.url}/api-info", "contact": contact}


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Dependencies of the endpoints.

    ``message_types``: in the order in which answers list them. ``directory``: the tables of the
    embedded directory; ``keeps_contacts``: False where another service keeps the contact settings.
    ``retention``: the rules of the settings. ``reach``: addresses at which providers may be
    configured over the API.

    ``memory``: of bodies and answers. ``notice``: a warning at the head of the API description
    (that the sandbox is on). ``ready``: the state of all parts.
    """

    access: Access
    database: Database
    channels: Mapping[str, Channel]
    message_types: tuple[str, ...]
    intake: Intake
    settlements: SyncWaiters
    receipts: Receipts
    history: History
    progress: Progress
    conversations: Conversations
    circuits: Circuits
    hand_overs: HandOvers
    resolutions: Resolutions
    withdrawals: Withdrawals
    directory: DatabaseDirectory
    keeps_contacts: bool
    receivers: WebhookClient
    configuration: ConfigurationWatcher
    reach: AddressPolicy
    refusals: DenialLog
    retention: Collection[RetentionRule]
    clock: Clock
    municipalities: tuple[str, ...]
    default_municipality: str
    sync_wait: float
    rate: float
    proxies: TrustedProxies
    publisher: Publisher
    notice: str | None
    ready: Callable[[], Awaitable[dict[str, Any]]]
    memory: MemoryBudget

    def rate_of(self, municipality_id: str) -> float | None:
        """Return calls per second of one client; None where the municipality sets no limit.

        Never more than ``rate``, the operator's.
        """
        configuration, unit = self.configuration.now, Unit(municipality_id)
        if configuration.is_plain("limits", municipality_id):
            return None
        rate: float | None = configuration.effective(
            "limits", configuration.path("limits", unit)
        ).value["rate"]
        return rate if rate is None else min(rate, self.rate)
