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
from exporter.jobs.snapshot import MIN_SUBTASK_PEERS
from exporter.simulator.world import Job
from monitoring.alerts import THRESHOLDS
from signal_quality.account import DAY, HEALTHY, HOUR, MINUTE, REGIONS, Account, Fault, Trouble
from signal_quality.evaluation import Firing, Labels
from signal_quality.scrapes import BUDGET, STEP

LATE = 10 * MINUTE
"""An alert has to begin and to cease within this time of when it should."""

ENDS = 70 * MINUTE
"""An alert on a failed job ceases so long after it should: the rules look back in steps of an hour."""

_WAITING = {"BedrockCustomizationJobWaiting"}
_STUCK = {"BedrockCustomizationJobStuck"}
RIGHT = {
    Trouble.FAILED: {"BedrockCustomizationJobFailed", "BedrockCustomizationJobFailedValidation"},
    Trouble.VALIDATION: _STUCK,
    Trouble.PROCESSING: _STUCK,
    Trouble.STILL: {"BedrockCustomizationJobNotProgressing", "BedrockCustomizationJobSlow"},
    Trouble.BETWEEN: _WAITING,
    Trouble.NEVER: _WAITING,
    Trouble.AFTER: _WAITING,
    Trouble.STOPPING: {"BedrockCustomizationJobStopping"},
}
"""Which alerts tell of which trouble: any one of them, but no two."""


@dataclass(slots=True)
class Row:
    """The jobs with one trouble, or the faults of one kind.

    Attributes:
        of: what is wrong.
        due: whether there is something to tell of.
        count: how many there were that somebody could have seen.
        once: alerted exactly once, and by the right alert.
        again: alerted once more, after an hour or longer without the exporter.
        late: of these, those whose alert began more than 10 minutes after it should.
        long: of these, those whose alert ceased more than 10 minutes after it should.
        missed: not alerted at all.
        wrong: alerted otherwise: more than once, by another alert, or too early.
        notifications: alerts that began, of all of them.
        critical: of those alerted otherwise, how many by a critical alert.
        causes: alert → how many jobs it told of that it should not have told of.
        delays: seconds from the onset of the trouble until the alert began.
    """

    of: str
    due: bool = True
    count: int = 0
    once: int = 0
    again: int = 0
    late: int = 0
    long: int = 0
    missed: int = 0
    wrong: int = 0
    notifications: int = 0
    critical: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    delays: list[float] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all of it is as it must be."""
        return self.once + self.again == self.count and not self.late + self.long

    def figures(self) -> dict[str, Any]:
        """For the table."""
        figures = asdict(self)
        delays = figures.pop("delays")
        figures |= {"delays": len(delays), "due": self.due}
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
        self._critical: set[str] = set()
        for labels, firing in fired.items():
            named = dict(labels)
            if "job_id" in named:
                self._by_job[named["job_id"]][named["alertname"]] = firing
                if named["severity"] == "critical":
                    self._critical.add(named["alertname"])
            elif named.get("aws_region", REGIONS[0]) == REGIONS[0]:  # an outage is one of all regions
                self._of_exporter[named["alertname"]] += sorted(firing.begins)
        self._trainings: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
        for job in sorted(account.jobs, key=lambda job: job.ended):
            if job.outcome == "Completed":
                start, end = job.spans[2]
                self._trainings[_peers(job)].append((job.ended, end - start))
        self.remarks: list[str] = []

    def jobs(self) -> list[Row]:
        """A row for each trouble."""
        rows = {trouble: Row(str(trouble), due=trouble not in HEALTHY) for trouble in Trouble}
        old = Row("failed more than half a day before the exporter was installed", due=False)
        for job, trouble in self._account.troubles.items():
            alerts = self._by_job[job.arn.rpartition("/")[2]]
            if trouble is Trouble.FAILED and job.ended < self._account.start - self._thresholds["jobFailed"]:
                self._judge_silence(old, job, alerts)
            elif trouble in HEALTHY and job.ended < self._account.start:
                continue
            elif trouble in HEALTHY:
                self._judge_silence(rows[trouble], job, alerts)
            else:
                self._judge(rows[trouble], job, trouble, alerts)
        return [*rows.values(), old]

    def _judge_silence(self, row: Row, job: Job, alerts: Mapping[str, Firing]) -> None:
        row.count += 1
        told = [name for name, firing in alerts.items() if firing.begins]
        row.notifications += sum(len(firing.begins) for firing in alerts.values())
        for name in told:
            row.causes[name] = row.causes.get(name, 0) + 1
        if told:
            row.wrong += 1
            row.critical += not self._critical.isdisjoint(told)
            self._remark(job, row.of, alerts, math.nan)
        else:
            row.once += 1

    def _judge(self, row: Row, job: Job, trouble: Trouble, alerts: Mapping[str, Firing]) -> None:
        """Count one troubled job, if somebody could have seen the trouble while there was one."""
        onset, due, over = self._due(job, trouble)
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
        row.notifications += len(begins)
        row.delays.append(max(0.0, min(begins) - max(onset, self._account.start)))
        queued = DAY if trouble in {Trouble.BETWEEN, Trouble.NEVER} else 0.0  # others of its kind may begin sub-tasks
        if min(begins) - due > LATE + queued:
            row.late += 1
            self._remark(job, row.of, alerts, due)
        slack = ENDS if trouble is Trouble.FAILED else LATE
        if min(ceases, self._account.end) > self._account.knowable(over) + slack:
            row.long += 1
            self._remark(job, row.of, alerts, due)

    def _due(self, job: Job, trouble: Trouble) -> tuple[float, float, float]:
        """When the trouble began, when somebody could have known, by the thresholds, and when it was over."""
        knowable = self._account.knowable
        waits = self._thresholds
        if trouble is Trouble.FAILED:
            due = knowable(job.ended)
            return due, due, due + waits["jobFailed"]
        if trouble is Trouble.STOPPING:
            return job.halted, knowable(job.halted + waits["jobStopping"]), job.ended
        if trouble in {Trouble.BETWEEN, Trouble.NEVER, Trouble.AFTER}:
            last = max((end for _, end in job.spans if math.isfinite(end)), default=job.created)
            return last, knowable(last + waits["jobWaiting"]), job.halted
        if trouble is Trouble.STILL:
            start = job.spans[2][0]
            return start, knowable(self._slow_from(job, start)), job.halted
        index, wait = (0, "jobValidation") if trouble is Trouble.VALIDATION else (1, "jobDataProcessing")
        start = job.spans[index][0]
        return start, knowable(start + waits[wait]), job.halted

    def _slow_from(self, job: Job, start: float) -> float:
        """When a training is told of: by its peers where ten have completed by then, else by the time alone."""
        peers = self._trainings[_peers(job)]
        window = BUDGET.baseline_window
        changes = [start, *(at for ended, _ in peers for at in (ended, ended + window))]
        changes = sorted(at for at in changes if start <= at < job.halted)
        for since, until in pairwise([*changes, math.inf]):
            lengths = [length for ended, length in peers if since - window < ended <= since]
            if len(lengths) < MIN_SUBTASK_PEERS:
                slow = max(since, start + self._thresholds["jobTraining"])
            else:
                expected = statistics.quantiles(lengths, n=20, method="inclusive")[-1]
                spread = (expected / statistics.median(lengths)) ** 1.25
                slow = max(since, start + max(self._thresholds["subtaskSlow"], spread) * expected)
            if slow < until:
                return slow
        return math.inf

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
                if fault.end - fault.start < waits[name] + 1.5 * LATE:
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


def _peers(job: Job) -> tuple[str, ...]:
    return job.region, job.base_model_arn.partition("/")[2], job.customization_type
