"""Cuts a walk off from outside.

botocore bounds only the wait for the next byte, so a peer that drips one now and then holds a call for ever. A lifeline
knows the socket that its thread's request is on; `cut` shuts it down, which ends the call in whatever read it is in.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Self

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from exporter.model import FailureReason, WalkError

_of_thread = threading.local()


class Lifeline:
    """What one walk hangs on: a context manager around it, in its thread, with `cut` for all other threads.

    Clients take part that `attach` has prepared; they may be shared between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: Any = None
        self._cut = False

    def __enter__(self) -> Self:
        _of_thread.lifeline = self
        return self

    def __exit__(self, *_: object) -> None:
        del _of_thread.lifeline
        with self._lock:
            self._socket = None

    def cut(self) -> None:
        """End the request that is under way, and refuse further ones."""
        with self._lock:
            self._cut = True
            sock = self._socket
            while sock is not None and not isinstance(sock, socket.socket):
                sock = sock.socket  # urllib3's TLS within the TLS of a proxy
            if sock is not None:
                with contextlib.suppress(OSError):  # closed by its peer or by us already: what we want
                    # Not SSLSocket's own shutdown: it would pull the TLS object from under the thread that reads.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def check(self) -> None:
        """Raise `WalkError` once the walk has been cut off."""
        if self._cut:
            raise WalkError(FailureReason.TIMEOUT, "the walk was cut off")

    def hold(self, sock: Any) -> None:  # noqa: ANN401 - as `_hold`
        """Know the socket that the next request goes through; raises `WalkError` if it is too late for one."""
        with self._lock:
            self.check()
            self._socket = sock

    def let_go(self) -> None:
        """Forget the socket: its request is over, and others may use it."""
        with self._lock:
            self._socket = None


def current() -> Lifeline | None:
    """The lifeline that this thread's walk hangs on."""
    return getattr(_of_thread, "lifeline", None)


def attach(client: Any) -> None:  # noqa: ANN401 - boto3 makes its client classes at run time
    """Let a boto3 client, fresh from its factory, hang on the lifeline of whatever thread uses it.

    The pools are swapped in botocore's HTTP session: it has no public seam for the connection class, and replacing the
    whole HTTP session would mean doing its proxy, CA bundle and client certificate set-up again.
    """
    client.meta.events.register("before-send", _check)
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_HTTPPool, https=_HTTPSPool)  # noqa: SLF001


def _check(**_: object) -> None:
    """Botocore tries again after a broken connection; not when we broke it."""
    lifeline = current()
    if lifeline is not None:
        lifeline.check()


class _Held:
    """Mixed into botocore's connections: tells the lifeline which socket is in use, and takes no torn body for a whole.

    botocore lets a body that ends ahead of its Content-Length pass for a whole one. It is a fault of the network, and
    worth another attempt.
    """

    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()  # type: ignore[misc] # there is one beside this mixin
        try:
            _hold(sock)  # already here, as a proxy and TLS come next
        except WalkError:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        super().connect()  # type: ignore[misc] # as above
        _hold(self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - urllib3's
        if self.sock is not None:  # kept alive; a new one is taken hold of in `connect`
            _hold(self.sock)
        super().request(*args, **{**kwargs, "enforce_content_length": True})  # type: ignore[misc] # there is one beside this mixin


def _hold(sock: Any) -> None:  # noqa: ANN401 - a socket, or urllib3's TLS within TLS
    lifeline = current()
    if lifeline is not None:
        lifeline.hold(sock)


class _LetsGo:
    """Mixed into botocore's pools: a connection that comes back is no longer the thread's own."""

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - urllib3's
        lifeline = current()
        if lifeline is not None:
            lifeline.let_go()
        super()._put_conn(conn)  # type: ignore[misc] # there is one beside this mixin


class _HTTPConnection(_Held, AWSHTTPConnection):
    pass


class _HTTPSConnection(_Held, AWSHTTPSConnection):
    pass


class _HTTPPool(_LetsGo, AWSHTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_LetsGo, AWSHTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection
