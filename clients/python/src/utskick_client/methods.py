"""Methods of both clients; each client executes them in its own way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import wraps
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

from utskick_client import flows, reading, sending
from utskick_client.calls import Call, Flow

P = ParamSpec("P")
T = TypeVar("T")


class SynchronousClient:
    """Marker of the client whose methods return results."""


class AsynchronousClient:
    """Marker of the client whose methods are awaited."""


class Method(Generic[P, T]):
    """Descriptor of a method that makes a call; the asynchronous client's is awaited."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: None, _owner: type) -> Self: ...
    @overload
    def __get__(self, client: SynchronousClient, _owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsynchronousClient, _owner: type) -> Callable[P, Awaitable[T]]: ...
    def __get__(self, client: Any, _owner: type) -> Any:
        if client is None:
            return self

        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.do(self._build(*args, **kwargs))

        return method


class Iteration(Generic[P, T]):
    """Descriptor of a method that iterates, with ``for`` or ``async for``."""

    def __init__(self, build: Callable[P, Flow[T]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, client: None, _owner: type) -> Self: ...
    @overload
    def __get__(
        self, client: SynchronousClient, _owner: type
    ) -> Callable[P, Generator[T, None, None]]: ...
    @overload
    def __get__(
        self, client: AsynchronousClient, _owner: type
    ) -> Callable[P, AsyncGenerator[T, None]]: ...
    def __get__(self, client: Any, _owner: type) -> Any:
        if client is None:
            return self

        @wraps(self._build)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return client.iterate(self._build(*args, **kwargs))

        return method


class Methods:
    """All methods of the API."""

    send_sms = Method(sending.send_sms)
    send_sms_batch = Method(sending.send_sms_batch)
    send_email = Method(sending.send_email)
    send_email_batch = Method(sending.send_email_batch)
    send_web_message = Method(sending.send_web_message)
    send_digital_mail = Method(sending.send_digital_mail)
    send_digital_invoice = Method(sending.send_digital_invoice)
    send_messages = Method(sending.send_messages)
    send_letter = Method(sending.send_letter)
    send_slack = Method(sending.send_slack)
    send_push = Method(sending.send_push)
    send_snail_mail = Method(sending.send_snail_mail)
    close_snail_mail_batch = Method(sending.close_snail_mail_batch)
    mailboxes = Method(sending.mailboxes)

    batch_status = Method(reading.batch_status)
    message_status = Method(reading.message_status)
    delivery_status = Method(reading.delivery_status)
    watch_batch = Iteration(flows.watch_batch)
    resolve_delivery = Method(reading.resolve_delivery)

    conversation_history = Method(reading.conversation_history)
    message_history = Method(reading.message_history)
    message_metadata = Method(reading.message_metadata)
    attachment = Method(reading.attachment)
    attachment_chunks = Iteration(flows.attachment_chunks)

    user_batches = Method(reading.user_batches)
    all_user_batches = Iteration(flows.all_user_batches)
    user_messages = Method(reading.user_messages)
    all_user_messages = Iteration(flows.all_user_messages)
    user_message = Method(reading.user_message)

    statistics = Method(reading.statistics)
    department_statistics = Method(reading.department_statistics)
    delivery_status_statistics = Method(reading.delivery_status_statistics)

    events = Method(reading.events)
    follow_events = Iteration(flows.follow_events)
    create_webhook = Method(reading.create_webhook)
    webhooks = Method(reading.webhooks)
    webhook = Method(reading.webhook)
    enable_webhook = Method(reading.enable_webhook)
    rotate_webhook_secret = Method(reading.rotate_webhook_secret)
    ping_webhook = Method(reading.ping_webhook)
    delete_webhook = Method(reading.delete_webhook)

    request = Method(reading.request)
