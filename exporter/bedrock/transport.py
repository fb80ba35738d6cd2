"""Bounds of every botocore connection in the process: bytes of an answer, and time.

Importing this module puts its connections into botocore's pools. So the bounds also hold for the connections that
botocore makes by itself: to STS for a web identity, to SSO, and to the metadata services of instances and containers.
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
"""Bytes of an answer to ListModelCustomizationJobs, header included. A real page of 1,000 jobs has 1 MB."""

MAX_OTHER = 1024 * 1024
"""Bytes of any other answer."""


def too_large(limit: int) -> WalkError:
    """The verdict on an answer that is larger than `limit` bytes."""
    message = f"the answer is larger than {limit // 1024 // 1024} MiB; is a proxy or a wrong endpoint in between?"
    return WalkError(FailureReason.MALFORMED_RESPONSE, message)


def _hurry(sock: Any) -> None:  # noqa: ANN401 - a socket, or urllib3's TLS within TLS, which is none
    """Let the next read of a socket end with the deadline of this thread's work."""
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
    """An answer that is bounded from its first byte: status line, header, body, chunks and trailer."""

    def __init__(self, sock: Any, *args: Any, limit: int = MAX_OTHER, once: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - http.client's
        super().__init__(sock, *args, **kwargs)
        self._limit, self._once = limit, once
        self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock, limit), 64 * 1024)

    def begin(self) -> None:
        super().begin()
        if self.status == http.HTTPStatus.SEE_OTHER:  # over which urllib3 stumbles with headers as botocore has them
            message = "the answer is a redirect (303); is a proxy or a wrong endpoint in between?"
            raise WalkError(FailureReason.MALFORMED_RESPONSE, message)
        if (self.length or 0) > self._limit:
            raise too_large(self._limit)
        self.will_close = self.will_close or self._once  # not every server does as it is asked

    def read(self, amt: int | None = None) -> bytes:
        # A body of known length in one piece: botocore asks for 64 KiB at a time and joins them.
        return super().read(self.length if self.length is not None and not self.chunked else amt)


class _Bounded:
    """Mixed into botocore's connections."""

    timeout: float
    response_class: Any = _Response  # of a proxy's answer to CONNECT

    def connect(self) -> None:
        work.check()
        self.timeout = min(self.timeout, work.remaining())
        super().connect()  # type: ignore[misc] # the connection beside this mixin has it

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        work.check()
        limit = MAX_PAGE if url.partition("?")[0].endswith(LIST_PATH) else MAX_OTHER
        once = kwargs.get("headers", {}).get("Connection") == "close"
        # botocore takes a body that is shorter than its Content-Length for a whole one.
        kwargs["enforce_content_length"] = True
        try:
            super().request(method, url, *args, **kwargs)  # type: ignore[misc] # as above
        finally:  # even a request that can't be sent whole may have an answer
            self.response_class = functools.partial(_Response, limit=limit, once=once)


class _ProxySocket(ssl.SSLSocket):
    """TLS to a proxy, below the TLS to AWS, which reads from it many times in one read of its own."""

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
