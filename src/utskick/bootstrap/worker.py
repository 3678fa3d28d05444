"""Setup of the worker: retry policies, options and garbage collection."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from utskick.bootstrap import channels as channel_setup
from utskick.channels.registry import CHANNELS
from utskick.domain.channel import Channel
from utskick.domain.errors import SettingsFault
from utskick.engine.audit_syslog import AuditSyslog
from utskick.engine.provider_checks import ProviderChecks
from utskick.engine.retry import Policy
from utskick.engine.worker import Worker, WorkerOptions
from utskick.outgoing import syslog
from utskick.outgoing.syslog import SyslogServer
from utskick.outgoing.webhooks import WebhookClient
from utskick.settings import Settings
from utskick.store.database import Database


def policies_of(settings: Settings) -> dict[str, Policy]:
    """Return the retry policies by channel. Raises ``SettingsFault``."""
    unknown = settings.retry.keys() - CHANNELS.keys()
    if unknown:
        raise SettingsFault(f"retry: no channel is named {', '.join(sorted(unknown))}")
    return {
        name: Policy(
            timedelta(seconds=r.first),
            timedelta(seconds=r.ceiling),
            timedelta(seconds=r.misconfigured),
        )
        for name, r in settings.retry.items()
    }


def worker_of(
    settings: Settings,
    database: Database,
    channels: Mapping[str, Channel],
    receivers: WebhookClient,
    checks: ProviderChecks,
) -> Worker:
    """Build the worker. ``checks``: of the provider accounts of ``channels``, in this process."""
    options = WorkerOptions(
        settings.patience,
        settings.worker.poll,
        settings.worker.grace,
        receivers,
        channel_setup.rules_of(settings),
        database.clock.is_right,
        checks,
    )
    return Worker(
        database, channels, database.clock, options=options, policies=policies_of(settings)
    )


def syslog_of(settings: Settings, database: Database) -> AuditSyslog | None:
    """Build the delivery of the audit log, None where it is delivered nowhere."""
    section = settings.audit
    if section.syslog_host is None:
        return None
    server = SyslogServer(
        section.syslog_host,
        section.syslog_port,
        section.syslog_ca_file,
        section.syslog_certificate_file,
        section.syslog_key_file,
    )
    return AuditSyslog(database, partial(syslog.deliver, server), syslog.message, database.clock)


@asynccontextmanager
async def working(
    worker: Worker, delivery: AuditSyslog | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Run the worker in a task, and stop it gracefully on leaving.

    ``delivery``: of the audit log, which runs beside it.
    """
    task = asyncio.create_task(worker.run())
    beside = [asyncio.create_task(delivery.run())] if delivery is not None else []
    try:
        yield task
    finally:
        for each in beside:
            each.cancel()
        worker.stop()
        await asyncio.gather(*beside, return_exceptions=True)
        await task


def collect_rarely() -> None:
    """Exempt start-up objects from garbage collection, and collect a hundred times less often.

    A third of a delivery's time was spent in collections (bench/README.md): thousands of deliveries
    are pending at a time, and none is garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
