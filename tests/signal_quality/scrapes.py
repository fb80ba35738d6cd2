"""What Prometheus scrapes from the exporter in such a year: the real fleet, wire, fold and exposition, in no time."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import virtual_clock
from promql import FAMILIES

from exporter.bedrock.wire import JobPage, read_page
from exporter.errors import WalkError
from exporter.fleet.families import TARGET_FAMILIES
from exporter.fleet.fleet import Desired, Fleet
from exporter.fleet.schedule import Schedule
from exporter.fleet.state import Walked
from exporter.fleet.walk import walk
from exporter.jobs.families import JOB_FAMILIES, SNAPSHOT_FAMILIES, Family
from exporter.jobs.page import Format, compose
from exporter.jobs.snapshot import Budget
from exporter.jobs.text import Text
from exporter.simulator.wire import summary
from exporter.simulator.world import Job
from exporter.targets.target import Target
from exporter.telemetry import Telemetry
from signal_quality.account import DAY, HOUR, MINUTE, REGIONS, Account, has_heartbeat, leaves_out

STEP = 288
"""Seconds between two scrapes, and between two evaluations of the rules."""

SCHEDULE = Schedule(interval=60, timeout=45, stale_after=15 * MINUTE, concurrency=8, max_pages=10_000)
BUDGET = Budget(retain=15 * HOUR, max_jobs=1000, baseline_window=90 * DAY)
"""As `config.yaml` has them, but for `retain`: a shorter one spares the rules old jobs, of which there are the most."""

WALK = 8.0
"""Seconds that a walk takes."""

PAGE = 50
"""Jobs on a page: small, so that few jobs that have ended share a page with one that runs."""

_TARGETS = tuple(Target("targets[0]", region, labels=(("team", "research"),)) for region in REGIONS)


class Shown(NamedTuple):
    """The value of a series, and by how much it grows from one step to the next."""

    value: float
    growth: float


@dataclass(slots=True)
class Stretch:
    """Values of a series at each step from `first` on, up to and without `end`."""

    first: int
    end: int
    shown: Shown


class Tape:
    """Every series that a rule selects, as it was scraped.

    Args:
        rules: the text of the rules.
        origin: Unix seconds at step 0; promtool's time begins at 0, so timestamps are moved by that.
    """

    def __init__(self, rules: str, origin: float) -> None:
        names = {family.name for family in FAMILIES} | {"up", *re.findall(r"bedrock_exporter_\w+", rules)}
        self._selectors: dict[str, set[str]] = defaultdict(set)
        for name, matchers in re.findall(r"(?<![\w:])(\w+)\{(.*?)\}", rules):
            if name in names:
                self._selectors[name].add((re.findall(r"\w+=\"\w+\"", matchers) or [""])[-1])
        self._origin = origin
        self._current: dict[str, dict[str, tuple[int, Shown]]] = defaultdict(dict)
        self.series: dict[str, list[Stretch]] = defaultdict(list)

    def shown(self, part: str, step: int, page: Mapping[str, Shown]) -> None:
        """From this step on, this part of what is scraped has these series, and no others."""
        current = self._current[part]
        for series, (first, shown) in list(current.items()):
            now = page.get(series)
            due = shown.value + shown.growth * (step - first)
            if now is None or now.growth != shown.growth or abs(now.value - due) > 0.01:
                self.series[series].append(Stretch(first, step, shown))
                del current[series]
        for series, now in page.items():
            current.setdefault(series, (step, now))

    def read(self, now: bytes, later: bytes, instance: str) -> dict[str, Shown]:
        """The series of a page that any rule selects, with the labels that Prometheus adds to them.

        Args:
            now: the page.
            later: the same page a step later.
            instance: the label of that name.
        """
        page = {}
        for line, line_later in zip(now.decode().splitlines(), later.decode().splitlines(), strict=True):
            name, _, rest = line.partition("{")
            if not rest:
                name, _, rest = line.partition(" ")
                rest = "} " + rest
            if name not in self._selectors:
                continue
            labels, _, value = rest.rpartition("} ")
            if not any(wanted in labels for wanted in self._selectors[name]):
                continue
            moved = self._origin if name.endswith("_timestamp_seconds") else 0.0
            growth = round(float(line_later.rpartition(" ")[2]) - float(value), 3)
            labels = ",".join(filter(None, (labels, f'instance="{instance}",job="bedrock"')))
            page[f"{name}{{{labels}}}"] = Shown(float(value) - moved, growth)
        return page

    def end(self, step: int) -> None:
        """Nothing is scraped from this step on."""
        for part in self._current:
            self.shown(part, step, {})


class _List:
    """A region's list of jobs. A page on which all jobs have ended is decoded once."""

    account_id = None

    def __init__(self, account: Account, region: str) -> None:
        self._account = account
        self._region = region
        self._settled: dict[int, JobPage] = {}

    def pages(self, max_pages: int, now: float) -> Iterator[JobPage]:  # noqa: ARG002 - as a reader has it
        listed = self._account.listed(self._region, now)
        for first in range(0, len(listed), PAGE):
            page = self._settled.get(first)
            if page is None:
                jobs = listed[first : first + PAGE]
                page = read_page(
                    json.dumps({"modelCustomizationJobSummaries": [_summary(job, now) for job in jobs]}).encode()
                )
                if len(jobs) == PAGE and all(job.ended <= now for job in jobs):
                    self._settled[first] = page
            yield page


def _summary(job: Job, now: float) -> dict[str, Any]:
    """As AWS sends it, to each of its habits a share of the jobs."""
    fields: dict[str, Any] = dict(summary(job, now))
    if leaves_out(job):
        details = fields["statusDetails"].items()
        fields["statusDetails"] = {name: one for name, one in details if one["status"] != "NotStarted"}
    if has_heartbeat(job) and job.halted > now:
        fields["lastModifiedTime"] = datetime.fromtimestamp(now // (15 * MINUTE) * 15 * MINUTE, UTC).isoformat()
    return fields


class _Walker:
    """Walks the list. While it does not change, the last walk is as good as a new one, for a quarter of an hour."""

    account_id = None

    def __init__(self, account: Account, origin: float, region: str) -> None:
        self._account = account
        self._origin = origin
        self._list = _List(account, region)
        self._last: tuple[tuple[int, float], Walked] | None = None

    def now(self) -> float:
        return self._origin + asyncio.get_running_loop().time()

    async def walk(self, target: Target, budget: Budget, schedule: Schedule, now: float) -> Walked:
        await asyncio.sleep(WALK)
        refusal = self._account.refusal(self.now())
        if refusal is not None:
            raise WalkError(refusal, "simulated")
        key = (self._account.changes(now), now // (15 * MINUTE))
        if self._last is None or self._last[0] != key:
            self._last = key, walk(target, self._list, budget=budget, max_pages=schedule.max_pages, now=now)
        return self._last[1]


def scrape(account: Account, origin: float, steps: int, rules: str) -> Tape:
    """Everything that is scraped in so many steps from `origin` on, by which time the exporter has just started."""
    logging.getLogger("exporter").setLevel(logging.CRITICAL)
    tape = Tape(rules, origin)
    virtual_clock.run(_run(account, origin, steps, tape))
    return tape


async def _run(account: Account, origin: float, steps: int, tape: Tape) -> None:
    downs = [fault for fault in account.faults if fault.reason is None and origin < fault.start < origin + steps * STEP]
    first, instance = 0, 0
    for fault in [*downs, None]:
        last = steps if fault is None else _step_after(fault.start, origin)
        await _serve(account, tape, origin=origin, first=first, end=last, instance=f"exporter-{instance}:9848")
        if fault is None:
            break
        first = min(steps, _step_after(fault.end, origin))
        tape.end(last)
        if fault.rollout:
            instance += 1
        else:
            tape.shown("up", last, {f'up{{instance="exporter-{instance}:9848",job="bedrock"}}': Shown(0, 0)})
        await asyncio.sleep(max(0.0, fault.end - origin - asyncio.get_running_loop().time()))
    tape.end(steps)


def _step_after(time: float, origin: float) -> int:
    return int((time - origin) // STEP) + 1


async def _serve(account: Account, tape: Tape, *, origin: float, first: int, end: int, instance: str) -> None:
    """One life of the exporter, scraped at every step from `first` up to and without `end`."""
    loop = asyncio.get_running_loop()
    walkers = {region: _Walker(account, origin, region) for region in REGIONS}
    clock = walkers[REGIONS[0]].now
    desired = Desired(_TARGETS, SCHEDULE, BUDGET, lambda target: walkers[target.region])
    fleet = Fleet(desired, now=clock)
    watching = asyncio.create_task(fleet.run())
    telemetry = Telemetry()
    telemetry.config_loaded("0" * 16, clock())
    own = telemetry.render(Format.TEXT)
    about_itself = tape.read(own, own, instance)
    about_itself[f'up{{instance="{instance}",job="bedrock"}}'] = Shown(1, 0)
    walked: dict[int, Walked | None] = {}
    for step in range(first, end):
        await asyncio.sleep(step * STEP - loop.time())
        if step == first:
            tape.shown("up", step, about_itself)
        for index, state in enumerate(fleet.states):
            tape.shown(f"target {index}", step, tape.read(*_pages(TARGET_FAMILIES, [state.text], clock()), instance))
            if state.shown is not walked.get(index):
                walked[index] = state.shown
                texts = [state.shown.text] if state.shown else []
                families: tuple[Family[Any], ...] = (*SNAPSHOT_FAMILIES, *JOB_FAMILIES)
                tape.shown(f"jobs {index}", step, tape.read(*_pages(families, texts, clock()), instance))
    watching.cancel()
    await asyncio.wait([watching])


def _pages(families: Sequence[Family[Any]], texts: Sequence[Text], now: float) -> tuple[bytes, bytes]:
    """The page now and a step later."""
    first, second = (b"".join(compose(families, texts, Format.TEXT, at)) for at in (now, now + STEP))
    return first, second
