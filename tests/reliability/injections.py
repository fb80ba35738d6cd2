"""Ways to put a fault between the exporter and AWS."""

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import faults
from bedrock.peers import Peer, read_head, send
from faults import error, page

from exporter.simulator import Request, Respond, Response
from reliability.scene import GOOD, HALF, Aws, ended, pages

Inject = Callable[[Aws], AbstractContextManager[object]]
"""Puts a fault into a fake AWS for as long as the context lasts."""


UNKNOWN_OPERATION = error(400, "ValidationException", "Unknown Operation")
"""What a region without model customization says [rec]."""


def listing(answer: Response | Respond, *, all_pages: bool = False) -> Inject:
    """List is answered so: on the first page of the first walk, on the second page of the next one, and so on.

    Args:
        answer: the fault.
        all_pages: every page, of every walk.
    """

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        walks = 0

        def respond(request: Request) -> Response:
            nonlocal walks
            first = "nextToken" not in request.query
            walks += first
            if first and walks % 2 == 0 and not all_pages:
                return page(*HALF, token="1")
            return answer if isinstance(answer, Response) else answer(request)

        aws.list = respond
        yield

    return inject


def stalling(answer: Callable[[threading.Event], Response]) -> Inject:
    """List is answered by something that takes until the event that it is given is set."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        over = threading.Event()
        with listing(lambda _: answer(over))(aws):
            try:
                yield
            finally:
                over.set()

    return inject


def silent(over: threading.Event) -> Response:
    """Not even headers."""
    over.wait()
    raise ConnectionAbortedError


def dripping(over: threading.Event) -> Response:
    """Headers at once, then a byte a second."""
    return Response(200, _drops(over), {"Content-Type": "application/json", "Content-Length": "1000000"})


def _drops(over: threading.Event) -> Iterator[bytes]:
    while not over.wait(1):
        yield b" "


def sts(answer: Response | Respond) -> Inject:
    """STS is answered so."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        before, aws.sts = aws.sts, answer
        yield
        aws.sts = before

    return inject


@contextlib.contextmanager
def silent_sts(aws: Aws) -> Iterator[None]:
    """STS takes every request and says nothing."""
    over = threading.Event()
    with sts(lambda _: silent(over))(aws):
        try:
            yield
        finally:
            over.set()


@contextlib.contextmanager
def refusing(aws: Aws) -> Iterator[None]:
    """Nobody listens."""
    with aws.closed() as port, faults.closed_port(port):
        yield


def below_http(start: bytes, again: bytes = b"", pause: float = 0.0) -> Inject:
    """Every connection gets these bytes, then some again and again with pauses, or a reset where there are none."""

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        if again:
            send(connection, itertools.chain([start], itertools.repeat(again)), pause)
        else:
            connection.sendall(start)
            # No lingering: the other side gets a RST in the place of a FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        with aws.closed() as port, Peer(talk, port=port):
            yield

    return inject


@contextlib.contextmanager
def nameless(aws: Aws) -> Iterator[None]:
    """The name of the endpoint can't be resolved, and no connection is left."""
    aws.names.forgotten.add(aws.region)
    aws.cut()
    yield
    aws.names.forgotten.clear()


@contextlib.contextmanager
def no_credentials(aws: Aws) -> Iterator[None]:
    """Whoever gives out credentials does so no more."""
    aws.take_credentials()
    yield
    aws.give_credentials()


@contextlib.contextmanager
def no_credentials_at_all(aws: Aws) -> Iterator[None]:
    """The profile says nothing of credentials."""
    aws.write_profile(with_credentials=False)
    yield
    aws.write_profile(with_credentials=True)


def junk(printed: bytes) -> Inject:
    """The program that gives out credentials prints this."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        aws.give_junk(printed)
        yield
        aws.give_credentials()

    return inject


def clock_off(seconds: float) -> Inject:
    """The exporter's own clock is set."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        aws.clock.now += seconds
        yield
        aws.clock.now -= seconds

    return inject


def together(*injections: Inject) -> Inject:
    """All of these at once."""

    @contextlib.contextmanager
    def inject(aws: Aws) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for each in injections:
                stack.enter_context(each(aws))
            yield

    return inject


def endless(_: Request) -> Response:
    """A body at full speed."""
    return Response(200, itertools.repeat(b" " * 65536))


def with_jobs(*more: object) -> Inject:
    """The good list, and more on its last page."""
    return listing(pages((*GOOD[:-1], (*GOOD[-1], *more))), all_pages=True)


def list_of(count: int) -> Respond:
    """The good list, and so many pages more, a job on each."""
    return pages((*GOOD, *((ended(100 + number, "Stopped"),) for number in range(count))))


def hiccup(answer: Response) -> Inject:
    """The second page is answered so once in each walk; asked for again, it is there."""
    again = False

    def respond(request: Request) -> Response:
        nonlocal again
        again = "nextToken" in request.query and not again
        return answer if again else pages(GOOD)(request)

    return listing(respond, all_pages=True)


def signature_expired(request: Request) -> Response:
    """AWS's clock is an hour ahead of the one that requests are signed by."""
    signed = request.headers["x-amz-date"]
    now = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(hours=1)
    return error(403, "InvalidSignatureException", f"Signature expired: {signed} is now earlier than {now}")


def short_role(request: Request) -> Response:
    """Credentials of a role that are good for so short that every request looks for new ones."""
    del request
    return faults.assumed("token", timedelta(minutes=5))
