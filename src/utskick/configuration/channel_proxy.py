"""A channel as each unit has configured it. Towards the engine it is one channel; behind it stands
one for each way it is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError

from utskick.configuration.inheritance import Configuration, Path
from utskick.domain.attachment import Attachment
from utskick.domain.channel import (
    Account,
    AccountHealth,
    BatchPolicy,
    Channel,
    ChannelQuery,
    Draft,
    Keep,
    Plan,
    ProviderCallback,
    Receipt,
    RequestContext,
    SendEndpoint,
)
from utskick.domain.errors import ConfigurationBroken, Unauthorized, UtskickError, Violation
from utskick.domain.outcome import Misconfigured, Outcome, Reason
from utskick.domain.preparation import Prepared
from utskick.domain.unit import Unit
from utskick.domain.validators import told

log = structlog.get_logger(__name__)

#: A section's members → the channel. Raises ``ValidationError`` and ``UtskickError``.
Make = Callable[[Mapping[str, Any]], Channel]

_BROKEN: Final = Misconfigured(
    Reason(
        "configuration-broken", "what is configured for this unit cannot be used; nothing was sent"
    )
)
_GONE: Final = Misconfigured(
    Reason("account-gone", "the provider account was taken away before the call; nothing was sent")
)


@dataclass(eq=False, slots=True)
class _Instance:
    """One channel, and how many calls are under way by it: it is closed when it is of no more use
    and none is left."""

    channel: Channel
    value: Mapping[str, Any]
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


def _close(line: _Instance) -> None:
    task = asyncio.create_task(line.channel.close())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


@dataclass(frozen=True, eq=False, slots=True)
class _UnitChannels:
    """How a unit's requests are planned, and what carries its deliveries. None: that part of its
    configuration cannot be used."""

    planning: _Instance | None
    carrying: _Instance | None


class ConfiguredChannel:
    """``domain.channel.Channel``. ``base``: as the service's own settings have it, for everybody
    who says nothing else."""

    def __init__(self, base: Channel, make: Make, configuration: Configuration) -> None:
        self._base = _Instance(base, {})
        self._make = make
        self._plain = _UnitChannels(self._base, self._base)
        self._offices: dict[Path, _UnitChannels] = {}
        self._carriers: dict[Path, _Instance | None] = {}
        self._keep: Keep | None = None
        self._started = False
        self.name = base.name
        self.message_type = base.message_type
        self.integration = base.integration
        self.forms: tuple[SendEndpoint, ...] = base.forms
        self.accounts: tuple[Account, ...] = ()
        self.questions: tuple[ChannelQuery, ...] = tuple(
            replace(asked, ask=self._asking(asked.path)) for asked in base.questions
        )
        self.legs = base.legs
        self.titled = base.titled
        self.gathering: BatchPolicy | None = base.gathering
        self.ahead = base.ahead
        self.failure_title = base.failure_title
        self.not_found = base.not_found
        self._use(configuration, self._carriers_of(configuration))

    # -- what there is ----------------------------------------

    async def adopt(self, configuration: Configuration) -> None:
        """From now on it is so, once all that is new has started. Calls that are under way end as
        they began."""
        carriers = self._carriers_of(configuration)
        new = [
            line
            for path, line in carriers.items()
            if line is not None and line is not self._carriers.get(path)
        ]
        if self._started:
            await asyncio.gather(*(line.channel.start() for line in new))
        old = [*self._carriers.values(), *(office.planning for office in self._offices.values())]
        self._use(configuration, carriers)
        kept = {id(line) for line in (self._base, *carriers.values())}
        for line in {
            id(line): line for line in old if line is not None and id(line) not in kept
        }.values():
            line.retire()

    def _carriers_of(self, configuration: Configuration) -> dict[Path, _Instance | None]:
        """What is as it was stays, with its connections."""
        return {
            path: self._made(configuration, example, self._carriers.get(path))
            for path, example in configuration.carriers(self.name).items()
        }

    def _use(self, configuration: Configuration, carriers: dict[Path, _Instance | None]) -> None:
        self._configuration, self._carriers, self._offices = configuration, carriers, {}
        self._names = {}
        accounts = dict[str, Account]()
        for line in (self._base, *carriers.values()):
            for account in line.channel.accounts if line is not None else ():
                if line is not None and account.name not in accounts:
                    accounts[account.name], self._names[account.name] = account, line
        self.accounts = tuple(accounts.values())
        self._alone = self._base.channel if configuration.says_nothing(self.name) else None

    def _made(
        self, configuration: Configuration, path: Path, old: _Instance | None = None
    ) -> _Instance | None:
        try:
            value = configuration.usable(self.name, path)
            if old is not None and old.value == value:
                return old
            channel = self._make(value)
        except (ConfigurationBroken, ValidationError, UtskickError, OSError, ValueError) as fault:
            log.error(
                "configuration-broken", channel=self.name, unit=path[-1].tag, fault=_said(fault)
            )
            return None
        if self._keep is not None:
            channel.report_to(self._keep)
        return _Instance(channel, value)

    def _at(self, unit: Unit) -> _UnitChannels:
        offices, configuration = (
            self._offices,
            self._configuration,
        )  # in this order: a large request is planned in a thread, beside adopt()
        if configuration.is_plain(self.name, unit.municipality_id):
            return self._plain
        path = configuration.path(self.name, unit)
        if not path:
            return self._plain
        office = offices.get(path)
        if office is None:
            office = offices[path] = self._opened(configuration, path)
        return office

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
                f"what is configured for {self.name} cannot be used here; an administrator must mend it"
            )
        return planning

    def _carrying(self, draft: Draft) -> tuple[_Instance | None, Draft]:
        """What carries a draft, and the draft as it is carried: with what its own unit says where
        it says nothing itself."""
        office = self._at(draft.unit)
        if office.carrying is office.planning or office.planning is None:
            return office.carrying if office.planning is not None else None, draft
        return office.carrying, office.planning.channel.completed(draft)

    # -- the channel ----------------------------------------

    def plan(self, request: BaseModel, asked: RequestContext) -> Plan:
        if self._alone is not None:
            return self._alone.plan(request, asked)
        unit = replace(asked.unit, department=getattr(request, "department", None) or None)
        return self._planning(unit).channel.plan(request, asked)

    async def inspect(
        self, content: Mapping[str, Any], attachments: Sequence[Attachment], asked: RequestContext
    ) -> list[Violation]:
        with self._planning(asked.unit).held() as channel:
            return await channel.inspect(content, attachments, asked)

    def completed(self, draft: Draft) -> Draft:
        return self._planning(draft.unit).channel.completed(draft)

    async def prepare(self, draft: Draft, key: UUID) -> Prepared:
        if self._alone is not None:  # the usual case, asked thousands of times a second
            return await self._alone.prepare(draft, key)
        line, carried = self._carrying(draft)
        if line is None:
            return _BROKEN
        with line.held() as channel:
            return await channel.prepare(carried, key)

    def able(self, draft: Draft) -> tuple[str, ...]:
        if self._alone is not None:
            return self._alone.able(draft)
        line, carried = self._carrying(draft)
        return line.channel.able(carried) if line is not None else ()

    def when_uncertain(self, account: str, draft: Draft) -> Literal["resend", "hold"]:
        if self._alone is not None and account in self._base.names:
            return self._alone.when_uncertain(account, draft)
        line, carried = self._by(account, draft)
        return line.channel.when_uncertain(account, carried) if line is not None else "hold"

    async def send(self, draft: Draft, key: UUID, account: str) -> Outcome:
        if self._alone is not None and account in self._base.names:
            return await self._alone.send(draft, key, account)
        line, carried = self._by(account, draft)
        if line is None:
            return _GONE
        with line.held() as channel:
            return await channel.send(carried, key, account)

    async def ask(
        self, draft: Draft, key: UUID, account: str, reference: str | None
    ) -> Outcome | None:
        line, carried = self._by(account, draft)
        if line is None:
            return None
        with line.held() as channel:
            return await channel.ask(carried, key, account, reference)

    def _by(self, account: str, draft: Draft) -> tuple[_Instance | None, Draft]:
        """What carries the draft, where the account is still one of its own."""
        line, carried = self._carrying(draft)
        return line if line is not None and account in line.names else None, carried

    def read_receipt(self, hook: ProviderCallback) -> list[Receipt]:
        line = self._names.get(hook.account)
        if line is None:
            raise Unauthorized(
                "the report does not show the secret of the account it claims to come from"
            )
        return line.channel.read_receipt(hook)

    def show(self, draft: Draft) -> dict[str, Any]:
        return self._base.channel.show(draft)

    def _asking(self, path: str) -> Callable[[Any, RequestContext], Any]:
        async def ask(body: Any, asked: RequestContext) -> Any:
            with self._planning(asked.unit).held() as channel:
                question = next(each for each in channel.questions if each.path == path)
                return await question.ask(body, asked)

        return ask

    async def look(self) -> list[AccountHealth]:
        lines = [self._base, *(line for line in self._carriers.values() if line is not None)]
        found = {
            health.account: health
            for healths in await asyncio.gather(*map(_looked, lines))
            for health in healths
        }
        broken = [path[-1].tag for path, line in self._carriers.items() if line is None]
        return [
            *found.values(),
            *(
                AccountHealth(
                    f"configuration@{tag}", ok=False, sentence="it cannot be used; see the log"
                )
                for tag in broken
            ),
        ]

    def report_to(self, keep: Keep) -> None:
        self._keep = keep
        for line in (self._base, *self._carriers.values()):
            if line is not None:
                line.channel.report_to(keep)

    async def start(self) -> None:
        self._started = True
        lines = [self._base, *(line for line in self._carriers.values() if line is not None)]
        await asyncio.gather(*(line.channel.start() for line in lines))

    async def close(self) -> None:
        lines = {
            id(line): line
            for line in (
                *self._carriers.values(),
                *(o.planning for o in self._offices.values()),
                self._base,
            )
            if line
        }
        await asyncio.gather(*(line.channel.close() for line in lines.values()), *tuple(_closing))


async def _looked(line: _Instance) -> list[AccountHealth]:
    with line.held() as channel:
        return await channel.look()


def _said(fault: Exception) -> str:
    """Without what was found: it may be a password."""
    if isinstance(fault, ValidationError):
        return "; ".join(told(fault))
    return fault.detail if isinstance(fault, UtskickError) else type(fault).__name__
