"""Compares what the alerts told with what happened."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from exporter.errors import FailureReason
from exporter.jobs.snapshot import MIN_PEERS
from exporter.simulator.world import Job
from monitoring.alerts import THRESHOLDS
from signal_quality.account import DAY, HOUR, MINUTE, Account, Fault, Trouble
from signal_quality.evaluation import Firing, Labels
from signal_quality.scrapes import BUDGET, STEP

LATE = 10 * MINUTE
"""An alert has to begin and to cease within this time of when it should."""

RIGHT = {
    Trouble.FAILED: {"BedrockCustomizationJobFailed", "BedrockCustomizationJobFailedValidation"},
    Trouble.BETWEEN: {"BedrockCustomizationJobWaiting"},
    Trouble.STILL: {"BedrockCustomizationJobNotProgressing", "BedrockCustomizationJobSlow"},
    Trouble.SLOW: {"BedrockCustomizationJobNotProgressing", "BedrockCustomizationJobSlow"},
    Trouble.STOPPING: {"BedrockCustomizationJobStopping"},
    Trouble.NONE: set[str](),
}
"""Which alerts tell of which trouble: any one of them, but no two."""


@dataclass(slots=True)
class Row:
    """The jobs with one trouble, or the faults of one kind.

    Attributes:
        of: what is wrong.
        count: how many there were that somebody could have seen.
        once: alerted exactly once, and by the right alert.
        again: alerted once more, after an hour or longer without the exporter.
        late: of these, those whose alert began more than 10 minutes after it should.
        long: of these, those whose alert ceased more than 10 minutes after it should.
        missed: not alerted at all.
        wrong: alerted otherwise: more than once, by another alert, or too early.
        delays: seconds from when somebody could know until the alert began.
    """

    of: str
    count: int = 0
    once: int = 0
    again: int = 0
    late: int = 0
    long: int = 0
    missed: int = 0
    wrong: int = 0
    delays: list[float] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all of it is as it must be."""
        return self.once + self.again == self.count and not self.late + self.long

    def figures(self) -> dict[str, Any]:
        """For the table."""
        figures = asdict(self)
        delays = figures.pop("delays")
        figures["median_delay"] = round(statistics.median(delays)) if delays else None
        figures["longest_delay"] = round(max(delays)) if delays else None
        return figures


class Judge:
    """Compares what fired with the account.

    Args:
        account: what happened.
        fired: alert → when it began and ceased to fire.
    """

    def __init__(self, account: Account, fired: Mapping[Labels, Firing]) -> None:
        self._account = account
        self._thresholds = {threshold.name: threshold.number for threshold in THRESHOLDS}
        self._by_job: dict[str, dict[str, Firing]] = defaultdict(dict)
        self._of_exporter: dict[str, list[float]] = defaultdict(list)
        for labels, firing in fired.items():
            named = dict(labels)
            if "job_id" in named:
                self._by_job[named["job_id"]][named["alertname"]] = firing
            else:
                self._of_exporter[named["alertname"]] += sorted(firing.begins)
        self._durations: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for job in sorted(account.jobs, key=lambda job: job.ended):
            if job.outcome == "Completed":
                self._durations[_peers(job)].append((job.ended, job.ended - job.created))
        self.remarks: list[str] = []

    def jobs(self) -> list[Row]:
        """A row for each trouble."""
        rows = {trouble: Row(str(trouble)) for trouble in Trouble}
        old = Row("failed more than an hour before the exporter was installed")
        for job, trouble in self._account.troubles.items():
            alerts = self._by_job[job.arn.rpartition("/")[2]]
            if trouble is Trouble.FAILED and job.ended < self._account.start - HOUR:
                self._judge_silence(old, job, alerts)
            elif trouble is Trouble.NONE:
                self._judge_silence(rows[trouble], job, alerts)
            else:
                self._judge(rows[trouble], job, trouble, alerts)
        return [*rows.values(), old]

    def _judge_silence(self, row: Row, job: Job, alerts: Mapping[str, Firing]) -> None:
        row.count += 1
        if any(firing.begins for firing in alerts.values()):
            row.wrong += 1
            self._remark(job, row.of, alerts, math.nan)
        else:
            row.once += 1

    def _judge(self, row: Row, job: Job, trouble: Trouble, alerts: Mapping[str, Firing]) -> None:
        """Count one troubled job, if somebody could have seen the trouble while there was one."""
        due, over = self._due(job, trouble)
        if not self._account.start <= due < over - LATE or due > self._account.end - LATE:
            return
        row.count += 1
        firing = {name: one for name, one in alerts.items() if one.begins}
        begins = [begin for one in firing.values() for begin in one.begins]
        if not begins:
            row.missed += 1
            self._remark(job, row.of, alerts, due)
            return
        ceases = max((cease for one in firing.values() for cease in one.ceases), default=math.inf)
        gaps = sum(
            fault.end - fault.start > HOUR and fault.reason is None and min(begins) < fault.start < max(begins)
            for fault in self._account.faults
        )
        if not firing.keys() <= RIGHT[trouble] or len(begins) > 1 + gaps or min(begins) < due - STEP:
            row.wrong += 1
            self._remark(job, row.of, alerts, due)
        elif len(begins) > 1:
            row.again += 1
        else:
            row.once += 1
        row.delays.append(max(0.0, min(begins) - due))
        if row.delays[-1] > LATE:
            row.late += 1
            self._remark(job, row.of, alerts, due)
        if min(ceases, self._account.end) > self._account.knowable(over) + LATE:
            row.long += 1
            self._remark(job, row.of, alerts, due)

    def _due(self, job: Job, trouble: Trouble) -> tuple[float, float]:
        """When somebody could have known, by the thresholds, and when it was over."""
        knowable = self._account.knowable
        waits = self._thresholds
        last = job.spans[1][1] if trouble is Trouble.BETWEEN else job.spans[2][0]
        if trouble is Trouble.FAILED:
            due = knowable(job.ended)
            return due, due + waits["jobFailed"] + LATE / 2  # the five minutes of the rule
        if trouble is Trouble.BETWEEN:
            return knowable(last + waits["jobWaiting"]), job.halted
        if trouble is Trouble.STOPPING:
            return knowable(job.halted + waits["jobStopping"]), job.ended
        return knowable(self._slow_from(job) or last + waits["jobNotProgressing"]), job.halted

    def _slow_from(self, job: Job) -> float | None:
        """When it is twice as old as the 0.95 quantile of the peers that are completed by then; None without peers."""
        peers = self._durations[_peers(job)]
        window = BUDGET.baseline_window
        changes = [job.created, *(at for ended, _ in peers for at in (ended, ended + window))]
        changes = sorted(at for at in changes if job.created <= at < job.halted)
        slow = None
        for since, until in pairwise([*changes, math.inf]):
            durations = [duration for ended, duration in peers if since - window < ended <= since]
            if len(durations) >= MIN_PEERS:
                expected = statistics.quantiles(durations, n=20, method="inclusive")[-1]
                slow = max(since, job.created + self._thresholds["jobSlow"] * expected)
                if slow < until:
                    return slow
        return slow

    def exporter(self) -> list[Row]:
        """A row for each alert on the exporter that a fault brings about, and one for all of them without a fault."""
        brings = {
            "BedrockExporterTargetDown": lambda fault: fault.reason is not None,
            "BedrockExporterTargetStale": lambda fault: fault.reason is not None,
            "BedrockExporterThrottled": lambda fault: fault.reason is FailureReason.THROTTLED,
            "BedrockExporterDown": lambda fault: fault.reason is None,
        }
        waits = {
            "BedrockExporterTargetDown": self._thresholds["targetDown"],
            "BedrockExporterTargetStale": self._thresholds["targetStale"],
            "BedrockExporterThrottled": self._thresholds["throttled"] * MINUTE,
            "BedrockExporterDown": self._thresholds["exporterDown"],
        }
        rows = []
        claimed: dict[str, set[float]] = defaultdict(set)
        for name, applies in brings.items():
            row = Row(name)
            rows.append(row)
            for fault in filter(applies, self._account.faults):
                own = [at for at in self._of_exporter[name] if fault.start <= at <= fault.end + LATE]
                claimed[name].update(own)
                if fault.end - fault.start < waits[name] + LATE / 2:
                    continue  # too short for everybody to see it
                row.count += 1
                delay = min(own, default=math.inf) - fault.start - waits[name]
                if len(own) == 1:
                    row.once += 1
                    row.delays.append(max(0.0, delay))
                    row.late += delay > LATE
                elif own:
                    row.wrong += 1
                else:
                    row.missed += 1
                if len(own) != 1:
                    self.remarks.append(f"{name}: {own} for {self._spell(fault)}")
        none = Row("no fault")
        rows.append(none)
        for name, begins in self._of_exporter.items():
            for at in set(begins) - claimed[name]:
                none.count += 1
                none.wrong += 1
                self.remarks.append(f"{name}: began at {self._day(at)} without a fault")
        return rows

    def _remark(self, job: Job, what: str, alerts: Mapping[str, Firing], due: float) -> None:
        fired = {
            name: ([self._day(at) for at in sorted(one.begins)], [self._day(at) for at in sorted(one.ceases)])
            for name, one in alerts.items()
        }
        self.remarks.append(
            f"{job.name} ({what}): created {self._day(job.created)}, spans "
            f"{[self._day(time) for span in job.spans for time in span]}, halted {self._day(job.halted)}, "
            f"ended {self._day(job.ended)}, due {self._day(due)}, fired {fired}"
        )

    def _spell(self, fault: Fault) -> str:
        return f"{fault.reason or 'no exporter'}, {self._day(fault.start)} to {self._day(fault.end)}"

    def _day(self, time: float) -> str:
        return f"{(time - self._account.start) / DAY:.4f}"


def _peers(job: Job) -> tuple[str, str]:
    return job.base_model_arn, job.customization_type
