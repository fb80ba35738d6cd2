"""What Prometheus scrapes from the exporter in such a year: real poller, walk, snapshot and exposition, in no time."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import virtual_clock

from exporter.bedrock import WirePage
from exporter.exposition import Format, Renderer, compose
from exporter.metrics import FAMILIES
from exporter.model import Budget, Failed, Schedule, Target, TargetState, Walked
from exporter.poller import Poller
from exporter.simulator.wire import summary
from exporter.telemetry import Telemetry
from exporter.walk import Memory, read
from signal_quality.account import DAY, HOUR, MINUTE, REGION, Account

STEP = 180
"""Seconds between two scrapes, and between two evaluations of the rules."""

SCHEDULE = Schedule(interval=60, timeout=45, stale_after=15 * MINUTE, concurrency=8)
BUDGET = Budget(retain=12 * HOUR, max_jobs=1000, baseline_window=90 * DAY)
"""As `config.yaml` has them, but for `retain`: a shorter one spares the rules old jobs, of which there are the most."""

WALK = 8.0
"""Seconds that a walk takes."""

PAGE = 50
"""Jobs on a page: small, so that few jobs that have ended share a page with one that runs."""

_TARGET = Target("targets[0]", REGION, labels=(("team", "research"),))


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
        selects: whether any rule selects a series, by its text.
        origin: Unix seconds at step 0; promtool's time begins at 0, so timestamps are moved by that.
    """

    def __init__(self, rules: str, origin: float) -> None:
        names = {family.name for family in FAMILIES} | {"up", *re.findall(r"bedrock_exporter_\w+", rules)}
        self._selectors: dict[str, set[str]] = defaultdict(set)
        for name, label in re.findall(r"(?<![\w:])(\w+)(?:\{(\w+=\"\w+\")\})?", rules):
            if name in names:
                self._selectors[name].add(label)
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
    """The list of jobs, as `walk.read` wants it: a page on which all jobs have ended is known by its number."""

    account_id: str | None = None

    def __init__(self, account: Account) -> None:
        self._account = account

    def pages(self, max_pages: int, now: float, known: Container[int]) -> Iterator[WirePage]:  # noqa: ARG002
        listed = self._account.listed(now)
        for number, first in enumerate(range(0, listed, PAGE)):
            jobs = self._account.jobs[first : min(first + PAGE, listed)]
            settled = len(jobs) == PAGE and all(job.ended <= now for job in jobs)
            if settled and number in known:
                yield WirePage(b"", None, number, None)
            else:
                yield WirePage(b"", None, number if settled else None, [summary(job, now) for job in jobs])

    def close(self) -> None: ...


class _Walker:
    """Walks the list. While that does not change the last walk is as good as a new one, for a quarter of an hour."""

    def __init__(self, account: Account, origin: float) -> None:
        self._account = account
        self._origin = origin
        self._list = _List(account)
        self._memory = Memory()
        self._render = Renderer(_TARGET).render
        self._last: tuple[tuple[int, float], Walked] | None = None

    def now(self) -> float:
        return self._origin + asyncio.get_running_loop().time()

    async def walk(self, _: Target) -> Walked | Failed:
        now = self.now()
        await asyncio.sleep(WALK)
        refusal = self._account.refusal(self.now())
        if refusal is not None:
            return Failed(None, refusal, "simulated")
        key = (self._account.changes(now), now // (15 * MINUTE))
        if self._last is None or self._last[0] != key:
            walked = read(
                self._list, budget=BUDGET, max_pages=10_000, now=now, render=self._render, memory=self._memory
            )
            self._last = key, walked
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
    walker = _Walker(account, origin)
    poller = Poller((_TARGET,), walker.walk, SCHEDULE, now=walker.now)
    polling = asyncio.create_task(poller.run())
    telemetry = Telemetry()
    telemetry.config_loaded("0" * 16, walker.now())
    own = telemetry.render(Format.TEXT)
    about_itself = tape.read(own, own, instance)
    about_itself[f'up{{instance="{instance}",job="bedrock"}}'] = Shown(1, 0)
    rendered: object = None
    for step in range(first, end):
        await asyncio.sleep(step * STEP - loop.time())
        if step == first:
            tape.shown("up", step, about_itself)
        (state,) = poller.states
        tape.shown("target", step, _page(replace(state, snapshot=None, rendered={}), walker.now(), instance, tape))
        if state.rendered is not rendered:
            rendered = state.rendered
            page = _page(state, walker.now(), instance, tape)
            tape.shown("jobs", step, {name: shown for name, shown in page.items() if "job_id=" in name})
    polling.cancel()
    await asyncio.wait([polling])


def _page(state: TargetState, now: float, instance: str, tape: Tape) -> dict[str, Shown]:
    page = compose([state], Format.TEXT)
    return tape.read(page.body(now, b""), page.body(now + STEP, b""), instance)
