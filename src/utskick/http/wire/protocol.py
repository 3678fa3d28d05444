"""HTTP connection with limits on what a client may keep it waiting for.

Number of connections, size and time of the head, time of a body that no endpoint reads, and time
of an answer that the client does not read.
"""

from __future__ import annotations

from asyncio import BaseTransport, TimerHandle
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from utskick.http.wire.connections import ConnectionLimits

#: Bytes of the request line and the headers together.
HEAD: Final = 65_536
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)

_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: 15\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class HttpConnection(HttpToolsProtocol):
    """uvicorn's protocol with limits on the number of connections, and three timeouts.

    For a head that never completes, for the rest of a body after the response was sent, and for
    a client that reads nothing of its response.

    ``patience``: seconds for the first two; ``unread``: for the last.
    """

    patience: float = 15.0
    unread: float = 60.0

    def __init__(
        self, *arguments: Any, limits: ConnectionLimits | None = None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._address: str | None = None
        self._is_refused = False
        self._write_timer: TimerHandle | None = None
        self._timer: TimerHandle | None = None
        self._size = 0
        self._receiving = False

    def connection_made(self, transport: BaseTransport) -> None:
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if self._limits is not None and not self._limits.admit(address):
            self._is_refused = True
            transport.write(_TOO_MANY)  # type: ignore[attr-defined]
            transport.close()
            return
        self._address = address
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        if not self._is_refused:
            super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_refused:
            return
        if self._limits is not None and self._address is not None:
            self._limits.release(self._address)
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read, and end the connection if it does not."""
        super().pause_writing()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(self.unread, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size = 0
        self._receiving = True
        if self._timer is None:
            self._start_timer()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._receiving = False
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._receiving and self._timer is None and self.cycle.response_complete:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.patience, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > HEAD:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
            # ends the parsing of the data received so far
            raise ValueError("the head of the request is too large")
