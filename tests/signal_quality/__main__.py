"""The simulated year: prints what the alerts told, and writes the figures that docs/alerts.md shows.

``PYTHONPATH=tests python -m signal_quality [--seed N --stretches N --json FILE]``; exits 1 if an alert was not as it
should be.
"""

import argparse
import json
import sys
from pathlib import Path

from signal_quality.account import Rates
from signal_quality.year import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m signal_quality", description="A year of alerts, simulated.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stretches", type=int, default=92, help="of four days each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    flags = parser.parse_args()
    figures, remarks = run(flags.seed, flags.stretches, Rates())
    text = json.dumps(figures, indent=1) + "\n"
    print(*remarks, text, sep="\n")
    if flags.json:
        flags.json.write_text(text, encoding="utf-8")
    return 0 if figures["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
