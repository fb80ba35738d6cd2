"""The simulated year: prints whom the alerts told of what, and writes the figures that docs/alerts.md is made from."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest has it

from signal_quality.account import Rates
from signal_quality.judgement import table
from signal_quality.year import run


def main() -> int:
    """Returns 1 if any alert was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stretches", type=int, default=92, help="of four days each")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    flags = parser.parse_args()
    figures, remarks = run(flags.seed, flags.stretches, Rates())
    for remark in remarks:
        print(remark)
    for line in (*table(figures["of_jobs"]), "", *table(figures["of_exporter"])):
        print(line)
    if flags.json:
        flags.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if figures["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
