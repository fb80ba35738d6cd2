"""A fake AWS for one target, with a switch for the fault, and what the exporter under test makes of it."""

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import faults
from faults import job

from exporter.simulator import Request, Respond, Response, Server

EPOCH = 1_790_000_000.0
DOMAIN = ".amazonaws.com"
"""AWS's own. Names in it resolve to this machine while the name service works; see `Names`."""


def at(seconds: float) -> str:
    """A moment so many seconds from EPOCH, as the service writes it."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def running(number: int, **members: Any) -> dict[str, Any]:
    """A job that began half an hour ago."""
    return job(number, **{"creationTime": at(-1800), "lastModifiedTime": at(-900), **members})


def ended(number: int, status: str, **members: Any) -> dict[str, Any]:
    """A job that began two hours ago and ended an hour ago."""
    end = at(-3600)
    return job(
        number, **{"status": status, "creationTime": at(-7200), "lastModifiedTime": end, "endTime": end} | members
    )


WAITING = running(
    5,
    statusDetails={
        "validationDetails": {"status": "Completed", "creationTime": at(-1800), "lastModifiedTime": at(-1700)},
        "trainingDetails": {"status": "NotStarted"},
    },
)
GOOD = (
    (running(1), ended(2, "Completed"), ended(3, "Failed")),
    (running(4, status="Stopping"), WAITING),
)
"""The list while all is well: two pages."""

HALF = (running(1), ended(2, "Completed"), running(66))
"""A first page with something new, of walks that break off after it: nothing of it may be seen."""

NEWS = (
    (ended(1, "Completed", endTime=at(60)), ended(2, "Completed"), ended(3, "Failed")),
    (running(4, status="Stopping"), WAITING, running(6)),
)
"""The list once all is well again."""


def pages(parts: Sequence[Sequence[object]]) -> Respond:
    """Answers with these pages; the token is the number of the page."""

    def respond(request: Request) -> Response:
        number = int(request.query.get("nextToken", "0"))
        more = number + 1 < len(parts)
        return faults.page(*parts[number], token=str(number + 1) if more else None)

    return respond


class Clock:
    """The exporter's wall clock, in the place of the module `time`.

    Attributes:
        now: Unix seconds.
    """

    def __init__(self) -> None:
        self.now = EPOCH

    def time(self) -> float:
        """What `time.time` gives."""
        return self.now


class Names:
    """In the place of `socket.getaddrinfo`: knows `DOMAIN`, but for the regions that it has forgotten."""

    def __init__(self) -> None:
        self._real = socket.getaddrinfo
        self.forgotten: set[str] = set()

    def __call__(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(DOMAIN):
            return self._real(host, *args, **kwargs)
        if self.forgotten & set(str(host).split(".")):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self._real("127.0.0.1", *args, **kwargs)


class Aws:
    """Bedrock and STS for one target, at a port that stays the same whatever happens to it.

    Attributes:
        profile: of the AWS configuration that leads here.
        region: the one that its endpoint's name is of.
        service: the one that its endpoint's name is of.
        list: answers ListModelCustomizationJobs.
        sts: answers STS.
        asked: requests for pages so far.
    """

    def __init__(self, profile: str, clock: Clock, names: Names, directory: Path) -> None:
        self.region, self.service = "us-east-1", "bedrock"
        self.profile, self.clock, self.names = profile, clock, names
        self.list: Respond = pages(GOOD)
        self.sts: Response | Respond = faults.identity()
        self.asked = 0
        self._directory = directory
        self._server = Server(self._respond)
        self.port = int(self._server.url.rpartition(":")[2])
        self.give_credentials()
        self.write_profile()

    def _respond(self, request: Request) -> Response:
        if request.path == "/":
            return self.sts if isinstance(self.sts, Response) else self.sts(request)
        self.asked += 1
        return self.list(request)

    def give_credentials(self) -> None:
        """What the profile's credential_process prints: good for so short that every request looks again."""
        soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
        answer = {"Version": 1, "AccessKeyId": "AKIATEST", "SecretAccessKey": "any", "Expiration": soon}
        self._credentials.write_text(json.dumps(answer), encoding="utf-8")

    def take_credentials(self) -> None:
        """The profile's credential_process fails from now on."""
        self._credentials.unlink()

    def give_junk(self, printed: bytes) -> None:
        """The profile's credential_process prints this from now on."""
        self._credentials.write_bytes(printed)

    @property
    def _credentials(self) -> Path:
        return self._directory / f"{self.profile}.json"

    def move(self, region: str, service: str) -> None:
        """The name of the endpoint is that of this service in this region."""
        self.region, self.service = region, service
        self.write_profile()

    def write_profile(self, *, with_credentials: bool = True) -> None:
        """Write the profile into the AWS configuration file."""
        lines = [f"[profile {self.profile}]", f"endpoint_url = http://{self.service}.{self.region}{DOMAIN}:{self.port}"]
        if with_credentials:
            lines.append(f"credential_process = cat {self._credentials}")
        (self._directory / f"{self.profile}.ini").write_text("\n".join(lines) + "\n", encoding="utf-8")
        parts = sorted(self._directory.glob("*.ini"))
        text = "".join(part.read_text(encoding="utf-8") for part in parts)
        (self._directory / "config").write_text(text, encoding="utf-8")

    def cut(self) -> None:
        """End every connection, kept-alive ones too."""
        self._server.cut()

    @contextlib.contextmanager
    def closed(self) -> Iterator[int]:
        """Nobody listens at the port meanwhile."""
        self._server.close()
        try:
            yield self.port
        finally:
            self._server = Server(self._respond, port=self.port)

    def close(self) -> None:
        """The end of it."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Page:
    """A scrape, by sample: name and labels → value, in their order."""

    def __init__(self, text: str) -> None:
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        self.samples = dict(line.rsplit(" ", 1) for line in lines)

    def of(self, region: str) -> dict[str, str]:
        """The samples about the target in this region."""
        return {key: value for key, value in self.samples.items() if f'aws_region="{region}"' in key}


def of_jobs(samples: dict[str, str], *, without: Iterable[str] = ()) -> dict[str, str]:
    """Those that are about one job each, but for jobs with these ids."""
    leave = tuple(f'job_id="{each}"' for each in without)
    return {key: value for key, value in samples.items() if "job_id=" in key and not any(each in key for each in leave)}


def sample(samples: dict[str, str], name: str, label: str = "") -> str:
    """The value of the one sample of this name with this label among its own."""
    (value,) = (value for key, value in samples.items() if key.startswith(name + "{") and label in key)
    return value
