"""What the tests of the command line have in common."""

from pathlib import Path

EPOCH = 1_790_000_000.0
ROOT = Path(__file__).parents[2]
CONFIG = "poll: {interval: 10s, timeout: 9s}\ntargets: [{regions: [us-east-1]}]\naws: {max_attempts: 1}\n"
ROLE = "{regions: [us-west-2], assume_role: {role_arn: 'arn:aws:iam::999999999999:role/none'}}"
BROKEN_TARGET = CONFIG.replace("targets: [", f"targets: [{ROLE}, ")
