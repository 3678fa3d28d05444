"""What the endpoints work with, put together by ``bootstrap``."""

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
from utskick.outgoing.address_guard import AddressPolicy
from utskick.outgoing.webhooks import WebhookClient
from utskick.store.database import Database
from utskick.store.history.conversations import Conversations
from utskick.store.history.status import History
from utskick.store.messages.resolutions import Resolutions


@dataclass(frozen=True, slots=True)
class ApiContext:
    """``directory``: our own tables; ``keeps_contacts``: False where another service keeps the
    contact settings. ``retention``: the rules of the settings. ``reach``: where providers may lie
    whose accounts are set over the API.

    ``notice``: what the description of the API says loudly (that the sandbox is on). ``ready``: the
    state of all parts.
    """

    access: Access
    database: Database
    channels: Mapping[str, Channel]
    intake: Intake
    settlements: SyncWaiters
    receipts: Receipts
    history: History
    progress: Progress
    conversations: Conversations
    resolutions: Resolutions
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
    notice: str | None
    ready: Callable[[], Awaitable[dict[str, Any]]]

    def rate_of(self, municipality_id: str) -> float | None:
        """Calls a second of one client, where the municipality has a limit of its own."""
        configuration, unit = self.configuration.now, Unit(municipality_id)
        if configuration.is_plain("limits", municipality_id):
            return None
        rate: float | None = configuration.effective(
            "limits", configuration.path("limits", unit)
        ).value["rate"]
        return rate
