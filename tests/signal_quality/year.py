"""Some stretches of time from end to end: written, scraped, evaluated one by one, and judged."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from signal_quality.account import DAY, START, STRETCH, WARM_UP, Account, Rates
from signal_quality.evaluation import Firing, Labels, evaluate
from signal_quality.judgement import Judge
from signal_quality.scrapes import BUDGET, STEP, scrape

RULES = Path(__file__).parents[2] / "monitoring" / "rules.yaml"

_account = lru_cache(maxsize=1)(Account)


def run(seed: int, stretches: int, rates: Rates, rules: Path = RULES) -> tuple[dict[str, Any], list[str]]:
    """Simulate so many stretches of time.

    Returns:
        The figures, and a line for each job and fault about which the alerts were not as they should be.
    """
    return judge(*simulate(seed, stretches, rates, rules), rates)


def simulate(seed: int, stretches: int, rates: Rates, rules: Path = RULES) -> tuple[Account, dict[Labels, Firing]]:
    """What happened, and alert → when it began and ceased to fire."""
    fired: dict[Labels, Firing] = {}
    for labels, firing in _evaluations(seed, stretches, rates, rules):
        whole = fired.setdefault(labels, Firing())
        whole.begins |= firing.begins
        whole.ceases |= firing.ceases
    return _account(seed, stretches, rates), fired


def judge(account: Account, fired: Mapping[Labels, Firing], rates: Rates) -> tuple[dict[str, Any], list[str]]:
    """The figures and the remarks, as `run` gives them."""
    judged = Judge(account, fired)
    jobs, exporter = judged.jobs(), judged.exporter()
    figures = {
        "sigma": rates.sigma,
        "days": round((account.end - account.start) / DAY),
        "jobs": sum(job.created >= START for job in account.jobs),
        "step_seconds": STEP,
        "retain_seconds": round(BUDGET.retain),
        "outages_of_aws": sum(fault.reason is not None for fault in account.faults),
        "outages_of_exporter": sum(fault.reason is None and not fault.rollout for fault in account.faults),
        "rollouts": sum(fault.rollout for fault in account.faults),
        "good": all(row.good for row in (*jobs, *exporter)),
        "of_jobs": [row.figures() for row in jobs],
        "of_exporter": [row.figures() for row in exporter],
    }
    return figures, judged.remarks


def _evaluations(seed: int, stretches: int, rates: Rates, rules: Path) -> Iterator[tuple[Labels, Firing]]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        tasks = [pool.submit(_evaluate, seed, stretches, rates, rules, number) for number in range(stretches)]
        for task in tasks:
            yield from task.result().items()


def _evaluate(seed: int, stretches: int, rates: Rates, rules: Path, number: int) -> dict[Labels, Firing]:
    """One of the stretches of time."""
    account = _account(seed, stretches, rates)
    since = START + number * STRETCH
    origin = since - WARM_UP if number else since
    tape = scrape(account, origin, round((since + STRETCH - origin) / STEP) + 1, rules.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(tape, rules, Path(folder), origin=origin, since=since, until=since + STRETCH)
