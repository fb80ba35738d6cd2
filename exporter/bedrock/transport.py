"""Limits every botocore connection of the process: the bytes of an answer, and time.

Importing this module puts its connection classes into botocore's pools. So the limits also hold for botocore's own
connections: to STS for a web identity, to SSO, and to the metadata services of instances and containers.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import ssl
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from exporter import work
from exporter.errors import FailureReason, WalkError

LIST_PATH = "/model-customization-jobs"

MAX_PAGE = 4 * 1024 * 1024
"""The most bytes of an answer to ListModelCustomizationJobs, with headers. A real page of 1,000 jobs has 1 MB."""

MAX_OTHER = 1024 * 1024
"""The most bytes of any other answer."""


def too_large(limit: int) -> WalkError:
    """The error for an answer that is larger than `limit` bytes."""
    message = f"the answer is larger than {limit // 1024 // 1024} MiB; is a proxy or a wrong endpoint in between?"
    return WalkError(FailureReason.MALFORMED_RESPONSE, message)


def _hurry(sock: Any) -> None:  # noqa: ANN401 - a socket, or urllib3's TLS within TLS, which is none
    """Limit the next read of a socket to the deadline of this thread's work."""
    work.check()
    left, timeout = work.remaining(), sock.gettimeout()
    if timeout is None or timeout > left:
        sock.settimeout(left)


class _BoundedReader(io.RawIOBase):
    """Reads one answer from its socket, a limited number of bytes."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, limit: int) -> None:
        self._raw, self._sock = raw, sock
        self._limit = self._left = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - any writable buffer
        _hurry(self._sock)
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise too_large(self._limit)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer that is limited from its first byte: status line, headers, body, chunks and trailers."""

    def __init__(self, sock: Any, *args: Any, limit: int = MAX_OTHER, once: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - http.client's
        super().__init__(sock, *args, **kwargs)
        self._limit, self._once = limit, once
        self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock, limit), 64 * 1024)

    def begin(self) -> None:
        super().begin()
        if self.status == http.HTTPStatus.SEE_OTHER:  # urllib3 fails at it with botocore's headers
            message = "the answer is a redirect (303); is a proxy or a wrong endpoint in between?"
            raise WalkError(FailureReason.MALFORMED_RESPONSE, message)
        if (self.length or 0) > self._limit:
            raise too_large(self._limit)
        self.will_close = self.will_close or self._once  # not every server honours Connection: close

    def read(self, amt: int | None = None) -> bytes:
        # Read a body of known length in one piece: botocore would read and join 64 KiB at a time.
        return super().read(self.length if self.length is not None and not self.chunked else amt)


class _Bounded:
    """Mixed into botocore's connections."""

    timeout: float
    response_class: Any = _Response  # for a proxy's answer to CONNECT

    def connect(self) -> None:
        work.check()
        self.timeout = min(self.timeout, work.remaining())
        super().connect()  # type: ignore[misc] # the connection beside this mixin has it

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        work.check()
        limit = MAX_PAGE if url.partition("?")[0].endswith(LIST_PATH) else MAX_OTHER
        once = kwargs.get("headers", {}).get("Connection") == "close"
        # botocore accepts a body that is shorter than its Content-Length.
        kwargs["enforce_content_length"] = True
        try:
            super().request(method, url, *args, **kwargs)  # type: ignore[misc] # as above
        finally:  # a request that can't be sent whole may still get an answer
            self.response_class = functools.partial(_Response, limit=limit, once=once)


class _ProxySocket(ssl.SSLSocket):
    """TLS to a proxy, below the TLS to AWS, each of whose reads may take many reads here."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        _hurry(self)
        return super().recv(buflen, flags)


class _HTTPConnection(_Bounded, AWSHTTPConnection):
    pass


class _HTTPSConnection(_Bounded, AWSHTTPSConnection):
    def _connect_tls_proxy(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - urllib3's
        sock = super()._connect_tls_proxy(*args, **kwargs)
        sock.__class__ = _ProxySocket
        return sock


AWSHTTPConnectionPool.ConnectionCls = _HTTPConnection
AWSHTTPSConnectionPool.ConnectionCls = _HTTPSConnection
