"""The status page as HTML: what is designed, bounded and escaped; `make test-browser` looks at it."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from jobs.make import HOUR, NOW, job
from web import scenes
from web.scenes import SCENES

from exporter.errors import FailureReason
from exporter.fleet.state import TargetState
from exporter.targets.target import Target
from exporter.web import status
from exporter.web.bar import WIDTH, bar
from exporter.web.pages import config_page, duration, moment, status_page, words
from exporter.web.selection import Selection

EVIL = '<script>alert("1")</script>&\'\ud800'
VOID = {"meta", "link", "input", "br"}


class Checker(HTMLParser):
    """Takes a page apart: every element is closed, every id is there once, and what it refers to is there."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.wanted: set[str] = set()
        self.sources: list[str] = []
        self.feed(page.decode())
        self.close()
        assert not self.open
        assert len(self.ids) == len(set(self.ids))
        assert self.wanted <= set(self.ids)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.wanted |= {given[name] or "" for name in ("for", "aria-labelledby") if name in given}
        assert not {name for name in given if name.startswith("on") or name == "style"}  # the policy forbids them
        if tag in {"script", "img", "iframe"}:
            self.sources += [given["src"] or ""] if "src" in given else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page_of(*states: TargetState, selection: Selection = Selection()) -> str:  # noqa: B008 - frozen
    view = status.status(states, selection, now=NOW, started=NOW - 3 * HOUR, ready=all(s.last_walk for s in states))
    page = status_page(view, "/metrics")
    assert not Checker(page).sources
    return page.decode()


@pytest.mark.parametrize(
    ("scene", "texts"),
    [
        ("empty", ["Nothing is watched"]),
        ("first-walk", ["The first walk is under way", "not ready yet"]),
        ("no-jobs", ["No job runs or has ended lately."]),
        (
            "all-failed",
            ["Targets that are down", "What to do:", "AWS can't be reached.", "no good walk yet", "No jobs are known"],
        ),
        ("every-kind", ["Failed in the last 24 hours", "Waiting: no sub-task runs", "not offered here", "s3 access"]),
        ("long-message", ["<details><summary>", scenes.LONG]),
        ("many-jobs", ["Page 1 of 100, 5,000 jobs", 'rel="next" href="?page=2"']),
    ],
)
def test_every_state_is_designed(scene: str, texts: list[str]) -> None:
    """Each one says what it is about, as whole HTML, in a page of at most 200 kB."""
    page = page_of(*SCENES[scene])
    assert [text for text in texts if text not in html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")] == []
    assert len(page) < 200_000
    assert scenes.SECRET_TEXT not in page


def test_targets_are_bounded() -> None:
    """Ten thousand of them, all down, are a page that says where the rest is."""
    many = [scenes.down(FailureReason.NETWORK, f"us-east-{number}", str(number)) for number in range(10_000)]
    page = page_of(*many)
    assert "and 9,980 more" in page
    assert len(page) < 200_000


def test_whatever_others_wrote_is_escaped() -> None:
    """Neither a job, a label, a model nor a failure message can bring markup in."""
    target = Target("targets[0]", EVIL, labels=(("team", EVIL),))
    fails = job(
        "fails",
        job_name=EVIL,
        status="Failed",
        base_model_arn=EVIL,
        customization_type=EVIL,
        custom_model_name=EVIL,
        end_time=scenes.FAILS.end_time,
    )
    state = scenes.walked(fails, messages={"fails": EVIL})
    good = replace(state.good, target=target) if state.good else None
    page = page_of(
        replace(state, target=target, account_id=EVIL, good=good), selection=Selection(text="<", status=EVIL)
    )
    page += page_of(replace(state, target=target, account_id=EVIL, good=good))

    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(") > 5


def test_the_configuration_is_escaped() -> None:
    """It is text, whatever is in it."""
    page = config_page(f"targets: {EVIL}")
    assert not Checker(page).sources
    assert b"<script>alert" not in page


def test_a_bar_is_to_scale() -> None:
    """Sub-tasks lie where they began; what peers take is marked."""
    jobs = {each.name: each for each in status.jobs(SCENES["every-kind"], Selection(), now=NOW).jobs}
    drawn = bar(jobs["runs"])
    assert drawn.expected is not None
    assert drawn.length < drawn.expected <= WIDTH
    assert [piece.name for piece in drawn.pieces] == ["validation", "data_processing", "training"]
    assert [round(piece.width / drawn.length, 1) for piece in drawn.pieces] == [0.0, 0.1, 0.9]
    assert drawn.pieces[2].x + drawn.pieces[2].width == pytest.approx(drawn.length, abs=2)
    assert len(drawn.marks) == 1
    assert bar(jobs["fails"]).length == WIDTH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (45, "45 s"), (200, "3 min"), (3600, "1 h"), (4800, "1 h 20 min"), (86400 * 3 + 14400, "3 d 4 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """As people say them."""
    assert duration(seconds) == text


def test_words() -> None:
    """Identifiers are spelt out, and times have a zone."""
    assert [words(name) for name in ("data_processing", "FINE_TUNING", "NotStarted")] == [
        "data processing",
        "fine tuning",
        "not started",
    ]
    assert re.fullmatch(r"2026-10-01 12:00 UTC", moment(NOW))
