"""The API over HTTP, held against its own description by schemathesis."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from jobs.make import HOUR, NOW
from schemathesis.specs.openapi.checks import negative_data_rejection
from web.hosted import Hosted, hosted
from web.scenes import SCENES

from exporter.web.routes import Site
from tools import api_page

(DESCRIPTION,) = api_page.files()
API = schemathesis.openapi.from_dict(yaml.safe_load(DESCRIPTION.read_text()))


@pytest.fixture(scope="module")
def host() -> Iterator[Hosted]:
    """Serves jobs of every kind."""
    site = Site(
        telemetry_path="/metrics",
        states=lambda: SCENES["every-kind"],
        ready=lambda: True,
        metrics=lambda _, __: (),
        now=lambda: NOW,
        started=NOW - HOUR,
    )
    with hosted(site) as host:
        yield host


@API.parametrize()
@settings(max_examples=40, derandomize=True, suppress_health_check=list(HealthCheck))
def test_it_is_as_described(case: schemathesis.Case[Any], host: Hosted) -> None:
    """Whatever is asked, status, type and body of the answer are documented; test_selection has what is refused."""
    # An object in the place of a number is left out of the URL, which then asks for nothing wrong.
    case.call_and_validate(base_url=f"http://{host.place}", excluded_checks=[negative_data_rejection])


def test_the_page_and_the_api_show_the_same(host: Hosted) -> None:
    """Every job of the API's answer to a filter is on the page with the same filter, and no other."""
    jobs = json.loads(host.ask("/api/v1/jobs?text=fails").body)["jobs"]
    page = host.ask("/?text=fails").body.decode()
    assert [job["name"] for job in jobs] == ["fails"]
    assert page.count('<li class="job') == 1
    assert jobs[0]["failure"]["message"] in page


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/targets"])
def test_refusals_are_json(path: str, host: Hosted) -> None:
    """A program can read what is wrong."""
    answer = host.ask(f"{path}?page=0")
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/json")
    assert json.loads(answer.body) == {"error": "page: must be a whole number from 1 to 1000000"}


def test_targets_say_what_to_do(host: Hosted) -> None:
    """Reason, meaning and remedy of one that is down."""
    targets = json.loads(host.ask("/api/v1/targets").body)["targets"]
    assert [target["state"] for target in targets] == ["up", "down", "unsupported"]
    assert targets[1]["reason"] == "credentials"
    assert targets[1]["remedy"]
