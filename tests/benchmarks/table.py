"""The rows: what is compared with what, and what each must reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median

from . import cases


@dataclass(frozen=True, slots=True)
class Case:
    """A measurement of `cases`, repeated in several rounds, in which the other cases have their turns."""

    run: Callable[..., cases.Seen]
    arguments: tuple[int, ...] = ()
    rounds: int = 3

    def __str__(self) -> str:
        return " ".join([self.run.__name__, *map(str, self.arguments)])


Results = Mapping[Case, list[cases.Seen]]
"""What each round of a case saw."""


@dataclass(frozen=True, slots=True)
class Value:
    """One figure of a case, over its rounds: the least of CPU times, as whatever disturbs only adds to them."""

    case: Case
    key: str
    scale: float = 1.0
    over_rounds: Callable[[Iterable[float]], float] = min

    def of(self, results: Results) -> float:
        return self.over_rounds([seen[self.key] for seen in results[self.case]]) * self.scale


@dataclass(frozen=True, slots=True)
class Line:
    """A row that has been measured.

    Attributes:
        measure: what is bounded: how often ours goes into theirs, or theirs into ours; ours where it stands alone.
        must: the bound of the measure, with its sign; empty if there is none.
    """

    row: str
    ours: float
    theirs: float | None
    unit: str
    measure: float
    must: str
    reached: bool | None
    remark: str


@dataclass(frozen=True, slots=True)
class Row:
    """Ours beside theirs, or ours alone.

    Attributes:
        times_less: whether the measure is how many times less ours is, the more the better; else the less the better.
        must: what the measure must reach.
        remarks: unit → what else is worth saying.
    """

    name: str
    unit: str
    ours: Value
    theirs: Value | None = None
    times_less: bool = False
    must: float | None = None
    remarks: Mapping[str, Value] = field(default_factory=dict)

    @property
    def cases(self) -> list[Case]:
        return [value.case for value in (self.ours, self.theirs, *self.remarks.values()) if value is not None]

    def measured(self, results: Results) -> Line:
        measure = ours = self.ours.of(results)
        theirs = None
        if self.theirs is not None:
            theirs = self.theirs.of(results)
            measure = theirs / ours if self.times_less else ours / theirs
        must, reached = "", None
        if self.must is not None:
            must = f"{'≥' if self.times_less else '≤'} {self.must:g}"
            reached = measure >= self.must if self.times_less else measure <= self.must
        remark = ", ".join(f"{_rounded(value.of(results)):,g} {unit}" for unit, value in self.remarks.items())
        return Line(self.name, ours, theirs, self.unit, measure, must, reached, remark)


def _rounded(number: float) -> float:
    """To three digits; as text it would have an exponent from 1,000 on."""
    return float(f"{number:.3g}")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        lists: jobs of the lists called 1k, 10k, 100k and 1m.
        series: of the page that is scraped.
        shared: targets that share these series.
        targets: with a role and ten jobs each.
        fleet: targets with a role and no jobs.
        seconds: for which an exporter is scraped.
        scrapes: whose latency is taken.
        rounds: of every case but the longest.
    """

    lists: tuple[int, int, int, int] = (1_000, 10_000, 100_000, 1_000_000)
    series: int = 23_000
    shared: int = 16
    targets: int = 1_000
    fleet: int = 5_000
    seconds: int = 60
    scrapes: int = 400
    rounds: int = 3

    def walk(self, index: int) -> Case:
        return Case(cases.walk, (self.lists[index],), self.rounds if index < 3 else 1)

    def floor(self, index: int) -> Case:
        return Case(cases.floor, (self.lists[index],), self.rounds)

    def stock(self, index: int) -> Case:
        return Case(cases.stock, (self.lists[index],), self.rounds if index < 2 else 1)

    def latency(self, *, busy: bool) -> Case:
        return Case(cases.latency, (self.lists[2], self.scrapes, busy), self.rounds)


FULL = Sizes()
SHORT = Sizes((20, 200, 2_000, 4_000), 920, 2, 5, 10, seconds=2, scrapes=20, rounds=1)
"""To see that the benchmark works; its figures say nothing."""


def rows(sizes: Sizes) -> list[Row]:
    """Every row, in the order of the table. Names are the same for all sizes."""
    first = [Value(sizes.walk(index), "first") for index in range(4)]
    per_job = [replace(value, scale=1e3 / jobs) for value, jobs in zip(first, sizes.lists, strict=True)]
    stock = [Value(sizes.stock(index), "cpu") for index in range(3)]
    floor = [Value(sizes.floor(index), "cpu") for index in range(3)]
    one = partial(Value, Case(cases.scrape, (sizes.series, 1), sizes.rounds))
    shared = partial(Value, Case(cases.scrape, (sizes.series, sizes.shared), sizes.rounds))
    production = Value(Case(cases.production, (sizes.series, sizes.shared, sizes.seconds), 1), "ours")
    idle, busy = (partial(Value, sizes.latency(busy=busy)) for busy in (False, True))
    targets = partial(Value, Case(cases.targets, (sizes.targets, 10), sizes.rounds))
    fleet = partial(Value, Case(cases.targets, (sizes.fleet, 0), 1))
    start = partial(Value, Case(cases.start_up, (), sizes.rounds * 3), over_rounds=median)
    large = partial(Value, sizes.walk(2), over_rounds=median)
    return [
        Row("first-boto3-1k", "ms", first[0], stock[0], times_less=True),
        Row("first-boto3-10k", "ms", first[1], stock[1], times_less=True),
        Row("first-boto3-100k", "ms", first[2], stock[2], times_less=True, must=65),
        Row("first-json-1k", "ms", first[0], floor[0]),
        Row("first-json-10k", "ms", first[1], floor[1]),
        Row("first-json-100k", "ms", first[2], floor[2], must=0.8),
        Row("later-100k", "ms", Value(sizes.walk(2), "later"), floor[2], must=0.8),
        Row("per-job-1m", "µs", per_job[3], per_job[1], must=1.1),
        Row("memory-100k", "MB", large("added"), must=25, remarks={"MB peak": large("peak")}),
        Row("scrape-production", "ms", production, shared("theirs"), times_less=True, must=30),
        Row("scrape-again", "ms", shared("again"), shared("theirs"), times_less=True, must=50,
            remarks={"series": shared("series")}),
        Row("scrape-first", "ms", one("first"), must=8, remarks={"series": one("series")}),
        Row("scrape-first-1k-targets", "ms", targets("scrape"), must=150),
        Row(
            "scrape-p99", "ms", busy("p99", over_rounds=median), idle("p99", over_rounds=median), must=4,
            remarks={"ms median": busy("p50", over_rounds=median), "ms longest": busy("max", over_rounds=max)},
        ),
        Row("targets-memory", "MB", targets("memory", over_rounds=median), must=0.06),
        Row("targets-set-up", "ms", targets("set_up"), must=5),
        Row("targets-round", "% of a core", targets("round", scale=100 / 60e3), must=25),
        Row("targets-5k", "MB", fleet("total"), must=400),
        Row("start-up", "ms", start("ours"), start("theirs"), must=2.5),
    ]  # fmt: skip


def curves(sizes: Sizes) -> dict[str, dict[int, Value]]:
    """Name → jobs → µs of CPU per job: what the figure shows."""

    def curve(case: Callable[[int], Case], key: str, points: int) -> dict[int, Value]:
        return {jobs: Value(case(index), key, 1e3 / jobs) for index, jobs in enumerate(sizes.lists[:points])}

    return {
        "boto3 + prometheus_client": curve(sizes.stock, "cpu", 3),
        "first walk": curve(sizes.walk, "first", 4),
        "later walk": curve(sizes.walk, "later", 4),
        "json.loads + urllib3": curve(sizes.floor, "cpu", 3),
    }


def text(lines: Sequence[Line]) -> str:
    """The table for people."""
    cells = [("row", "ours", "theirs", "", "ratio", "must reach", "", "remark")]
    cells += [
        (
            line.row,
            f"{line.ours:,.2f}",
            "" if line.theirs is None else f"{line.theirs:,.2f}",
            line.unit,
            "" if line.theirs is None else f"{line.measure:.2f}",
            line.must,
            {None: "", True: "✔", False: "✘"}[line.reached],
            line.remark,
        )
        for line in lines
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numbers = {1, 2, 4}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
