"""Channel proxy: delegates each call to the channel instance of the delivery's unit.

The engine sees one channel; the proxy holds one instance for each distinct configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError

from utskick.configuration.inheritance import Configuration, Effective, Path
from utskick.domain.attachment import Attachment
from utskick.domain.batch_policy import BatchPolicy
from utskick.domain.channel import (
    Account,
    AccountHealth,
    Channel,
    ChannelQuery,
    Draft,
    Plan,
    ProviderCallback,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.errors import ConfigurationBroken, Unauthorized, UtskickError, Violation
from utskick.domain.notice import Notice
from utskick.domain.outcome import Concern, Misconfigured, Outcome, Reason
from utskick.domain.preparation import Prepared
from utskick.domain.receipt import Keep, Receipt
from utskick.domain.unit import Unit
from utskick.domain.validators import told

log = structlog.get_logger(__name__)

#: Makes a channel from the members of a section; those whose accounts were set over the API are
#: restricted. Raises ``ValidationError`` and ``UtskickError``.
Make = Callable[[Effective], Channel]

_BROKEN: Final = Misconfigured(
    Reason("configuration-broken", "the unit's configuration is not valid; nothing was sent"),
    Concern.OURSELVES,
)
_GONE: Final = Misconfigured(
    Reason("account-gone", "the provider account was removed before the call; nothing was sent"),
    Concern.OURSELVES,
)


@dataclass(eq=False, slots=True)
class _Instance:
    """A channel with the number of its calls in progress.

    Once retired, it is closed when the last call ends.
    """

    channel: Channel
    value: Mapping[str, Any]
    restricted: bool = False
    busy: int = 0
    retired: bool = False
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = frozenset(account.name for account in self.channel.accounts)

    @contextmanager
    def held(self) -> Iterator[Channel]:
        self.busy += 1
        try:
            yield self.channel
        finally:
            self.busy -= 1
            if self.retired and not self.busy:
                _close(self)

    def retire(self) -> None:
        self.retired = True
        if not self.busy:
            _close(self)


_closing: Final[set[asyncio.Task[None]]] = set()


def _close(instance: _Instance) -> None:
    task = asyncio.create_task(instance.channel.close())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


@dataclass(frozen=True, eq=False, slots=True)
class _UnitChannels:
    """Instances of one unit: for planning, and for sending. None: its configuration is invalid."""

    planning: _Instance | None
    carrying: _Instance | None


class ChannelProxy:
    """Implementation of ``domain.channel.Channel``.

    ``base``: the channel of the service's own settings, for units without configuration.
    """

    def __init__(self, base: Channel, make: Make, configuration: Configuration) -> None:
        self._base = _Instance(base, {})
        self._make = make
        self._plain = _UnitChannels(self._base, self._base)
        self._units: dict[Path, _UnitChannels] = {}
        self._carriers: dict[Path, _Instance | None] = {}
        self._keep: Keep | None = None
        self._started = False
        self.name = base.name
        self.message_type = base.message_type
        self.integration = base.integration
        self.label = base.label
        self.forms: tuple[SendEndpoint, ...] = base.forms
        self.accounts: tuple[Account, ...] = ()
        self.questions: tuple[ChannelQuery, ...] = tuple(
            replace(query, ask=self._delegate_query(query.path)) for query in base.questions
        )
        self.legs = base.legs
        self.titled = base.titled
        self.history_facts = base.history_facts
        self.gathering: BatchPolicy | None = base.gathering
        self.ahead = base.ahead
        self.failure_title = base.failure_title
        self.unsettled = base.unsettled
        self.not_found = base.not_found
        self._use(configuration, self._carriers_of(configuration))

    # -- configuration ----------------------------------------

    async def adopt(self, configuration: Configuration) -> None:
        """Apply a configuration once its new channels have started; calls in progress continue."""
        carriers = self._carriers_of(configuration)
        new = [
            instance
            for path, instance in carriers.items()
            if instance is not None and instance is not self._carriers.get(path)
        ]
        if self._started:
            await asyncio.gather(*(instance.channel.start() for instance in new))
        old = [*self._carriers.values(), *(unit.planning for unit in self._units.values())]
        self._use(configuration, carriers)
        in_use = {id(instance) for instance in (self._base, *carriers.values())}
        for instance in {
            id(instance): instance
            for instance in old
            if instance is not None and id(instance) not in in_use
        }.values():
            instance.retire()

    def _carriers_of(self, configuration: Configuration) -> dict[Path, _Instance | None]:
        """Build the sending instances; unchanged ones are kept with their connections."""
        return {
            path: self._made(configuration, example, self._carriers.get(path))
            for path, example in configuration.carriers(self.name).items()
        }

    def _use(self, configuration: Configuration, carriers: dict[Path, _Instance | None]) -> None:
        self._configuration, self._carriers, self._units = configuration, carriers, {}
        self._names = {}
        accounts, labels = dict[str, Account](), configuration.labels(self.name)
        for instance in (self._base, *carriers.values()):
            for account in instance.channel.accounts if instance is not None else ():
                if instance is not None and account.name not in accounts:
                    self._names[account.name] = instance
                    accounts[account.name] = _labelled(account, labels)
        self.accounts = tuple(accounts.values())
        self._only = self._base.channel if configuration.is_unset(self.name) else None

    def _made(
        self, configuration: Configuration, path: Path, old: _Instance | None = None
    ) -> _Instance | None:
        try:
            effective = configuration.usable(self.name, path)
            value, restricted = effective.value, effective.restricted
            if old is not None and (old.value, old.restricted) == (value, restricted):
                return old
            channel = self._make(effective)
        except (ConfigurationBroken, ValidationError, UtskickError, OSError, ValueError) as fault:
            unit, redacted = path[-1].label, _redacted(fault)
            log.error("configuration-broken", channel=self.name, unit=unit, fault=redacted)
            return None
        if self._keep is not None:
            channel.report_to(self._keep)
        return _Instance(channel, value, restricted)

    def _at(self, unit: Unit) -> _UnitChannels:
        # Read in this order: a large request is planned in a thread, concurrently with adopt().
        units, configuration = self._units, self._configuration
        if configuration.is_plain(self.name, unit.municipality_id):
            return self._plain
        path = configuration.path(self.name, unit)
        if not path:
            return self._plain
        channels = units.get(path)
        if channels is None:
            channels = units[path] = self._opened(configuration, path)
        return channels

    def _opened(self, configuration: Configuration, path: Path) -> _UnitChannels:
        connecting = configuration.connecting(self.name, path)
        carrying = self._carriers.get(connecting) if connecting else self._base
        return _UnitChannels(
            carrying
            if carrying is not None and connecting == path
            else self._made(configuration, path),
            carrying,
        )

    def _planning(self, unit: Unit) -> _Instance:
        planning = self._at(unit).planning
        if planning is None:
            raise ConfigurationBroken(
                f"the configuration of {self.name} for this unit is not valid; an administrator"
                " must correct it"
            )
        return planning

    def _carrying(self, draft: Draft) -> tuple[_Instance | None, Draft]:
        """Return the sending instance, and the draft completed with its own unit's defaults."""
        unit = self._at(draft.unit)
        if unit.carrying is unit.planning or unit.planning is None:
            return unit.carrying if unit.planning is not None else None, draft
        return unit.carrying, unit.planning.channel.completed(draft)

    # -- Channel ----------------------------------------

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        channel = self._only
        if channel is None:
            unit = replace(asked.unit, department=getattr(request, "department", None) or None)
            channel = self._planning(unit).channel
        plan = channel.plan(request, asked)
        return plan if channel.unsettled == "continue" else replace(plan, unsettled="cancel")

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: RequestContext
    ) -> Sequence[Violation | Notice]:
        with self._planning(asked.unit).held() as channel:
            return await channel.inspect(content, attachments, asked)

    def completed(self, draft: Draft) -> Draft:
        return self._planning(draft.unit).channel.completed(draft)

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:
        if self._only is not None:  # the usual case, on the hot path
            return await self._only.prepare(draft, key)
        instance, carried = self._carrying(draft)
        if instance is None:
            return _BROKEN
        with instance.held() as channel:
            return await channel.prepare(carried, key)

    def able(self, draft: Draft) -> tuple[str, ...]:
        if self._only is not None:
            return self._only.able(draft)
        instance, carried = self._carrying(draft)
        return instance.channel.able(carried) if instance is not None else ()

    def destination(self, draft: Draft) -> str | None:
        if self._only is not None:
            return self._only.destination(draft)
        instance, carried = self._carrying(draft)
        return instance.channel.destination(carried) if instance is not None else None

    def units(self, draft: Draft, account: str) -> int:
        if self._only is not None and account in self._base.names:
            return self._only.units(draft, account)
        instance, carried = self._by(account, draft)
        return instance.channel.units(carried, account) if instance is not None else 1

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        if self._only is not None and account in self._base.names:
            return self._only.when_uncertain(account, draft)
        instance, carried = self._by(account, draft)
        return instance.channel.when_uncertain(account, carried) if instance is not None else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        if self._only is not None and account in self._base.names:
            return await self._only.send(draft, key, account)
        instance, carried = self._by(account, draft)
        if instance is None:
            return _GONE
        with instance.held() as channel:
            return await channel.send(carried, key, account)

    async def ask(
        self, draft: Draft, key: UUID, account: str, reference: str | None
    ) -> Outcome | None:
        instance, carried = self._by(account, draft)
        if instance is None:
            return None
        with instance.held() as channel:
            return await channel.ask(carried, key, account, reference)

    def _by(self, account: str, draft: Draft) -> tuple[_Instance | None, Draft]:
        """Return the sending instance, if it still has the account, and the completed draft."""
        instance, carried = self._carrying(draft)
        has_account = instance is not None and account in instance.names
        return instance if has_account else None, carried

    def read_receipt(self, hook: ProviderCallback) -> list[Receipt]:
        instance = self._names.get(hook.account)
        if instance is None:
            raise Unauthorized("the report does not carry the receipt secret of the named account")
        return instance.channel.read_receipt(hook)

    def show(self, draft: Draft) -> dict[str, Any]:
        return self._base.channel.show(draft)

    def _delegate_query(self, path: str) -> Callable[[Any, RequestContext], Any]:
        async def ask(body: Any, asked: RequestContext) -> Any:
            with self._planning(asked.unit).held() as channel:
                query = next(each for each in channel.questions if each.path == path)
                return await query.ask(body, asked)

        return ask

    async def look(self) -> list[AccountHealth]:
        instances = [self._base, *(each for each in self._carriers.values() if each is not None)]
        results = {
            health.account: health
            for healths in await asyncio.gather(*map(_check, instances))
            for health in healths
        }
        broken = [path[-1].label for path, instance in self._carriers.items() if instance is None]
        return [
            *results.values(),
            *(
                AccountHealth(
                    f"configuration@{unit}", ok=False, sentence="it is not valid; see the log"
                )
                for unit in broken
            ),
        ]

    def report_to(self, keep: Keep) -> None:
        self._keep = keep
        for instance in (self._base, *self._carriers.values()):
            if instance is not None:
                instance.channel.report_to(keep)

    async def start(self) -> None:
        self._started = True
        instances = [self._base, *(each for each in self._carriers.values() if each is not None)]
        await asyncio.gather(*(instance.channel.start() for instance in instances))

    async def close(self) -> None:
        instances = {
            id(instance): instance
            for instance in (
                *self._carriers.values(),
                *(unit.planning for unit in self._units.values()),
                self._base,
            )
            if instance
        }
        closing = (instance.channel.close() for instance in instances.values())
        await asyncio.gather(*closing, *tuple(_closing))


def _labelled(account: Account, labels: Mapping[str, str]) -> Account:
    name, _, tag = account.name.partition("@")
    return replace(account, label=f"{name}@{labels[tag]}") if tag in labels else account


async def _check(instance: _Instance) -> list[AccountHealth]:
    with instance.held() as channel:
        return await channel.look()


def _redacted(fault: Exception) -> str:
    """Describe a fault without its input, which may be a password."""
    if isinstance(fault, ValidationError):
        return "; ".join(told(fault))
    return fault.detail if isinstance(fault, UtskickError) else type(fault).__name__
