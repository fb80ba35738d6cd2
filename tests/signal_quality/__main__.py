"""The simulated months: prints what the alerts told, and writes the figures that docs/alerts.md shows.

``PYTHONPATH=tests python -m signal_quality [--seed N --stretches N --json FILE]``
"""

import argparse
import json
import sys
from pathlib import Path

from signal_quality.account import Rates
from signal_quality.year import run

SIGMAS = (0.2, 0.4, 0.8)
"""How much the lengths of sub-tasks vary within a base model and type: their logarithm's standard deviation."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m signal_quality", description="Months of alerts, simulated.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stretches", type=int, default=5, help="of four days each, for each sigma")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    flags = parser.parse_args()
    found = []
    for sigma in SIGMAS:
        figures, remarks = run(flags.seed, flags.stretches, Rates(sigma=sigma))
        print(*remarks, json.dumps(figures, indent=1), sep="\n")
        found.append(figures)
    if flags.json:
        flags.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
