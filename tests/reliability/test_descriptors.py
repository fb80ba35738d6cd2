"""The process answers however few files it may have open."""

from pathlib import Path

import faults
import pytest
from e2e.processes import clean_environment, serving, simulated_aws
from faults import Service, page
from web.hosted import Crowd, descriptors

from exporter.simulator import Server

pytestmark = pytest.mark.e2e

LIMIT = 64
TARGETS = 200


def test_more_targets_than_descriptors(tmp_path: Path) -> None:
    """Each of 200 targets has an AWS client of its own, 64 files may be open, and clients take what they can get."""
    with Server(Service(page(), sts=faults.identity())) as server:
        profiles = [f"[profile p{number}]\nendpoint_url = {server.url}\n" for number in range(TARGETS)]
        keys = "aws_access_key_id = AKIATEST\naws_secret_access_key = any\n"
        (tmp_path / "aws").write_text("".join(profile + keys for profile in profiles))
        targets = [
            f"  - {{regions: [us-east-1], profile: p{number}, account_id: '{10**11 + number}'}}\n"
            for number in range(TARGETS)
        ]
        (tmp_path / "config.yaml").write_text("poll: {interval: 10s, timeout: 9s}\ntargets:\n" + "".join(targets))
        home = clean_environment(tmp_path, **simulated_aws(server.url) | {"AWS_CONFIG_FILE": str(tmp_path / "aws")})
        limited = ("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh")
        with serving([], tmp_path, home, through=limited) as exporter, Crowd() as crowd:
            for _ in range(LIMIT):
                crowd.connect(exporter.url.removeprefix("http://"))
            up = [line for line in exporter.metrics()[0].decode().splitlines() if "target_up{" in line]
            assert len(up) == TARGETS
            assert all(line.endswith(" 1") for line in up)
            assert descriptors(exporter.process.pid) < LIMIT
            exporter.process.terminate()
            assert exporter.process.wait(timeout=5) == 0
    log = (tmp_path / "stderr").read_text()
    assert log.count("level=warning") == log.count("too few file descriptors") == 1
    assert "level=error" not in log
