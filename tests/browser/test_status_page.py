"""The status page in Chromium: what people see, with every width, mode and tool that they have."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.processes import clean_environment, serving, wait_for
from jobs.make import HOUR, NOW
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from web.hosted import hosted
from web.scenes import SCENES

from exporter.fleet.state import TargetState
from exporter.web.routes import Site
from tools.browser import chromium, look, picture
from tools.pictures import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

PHONE, DESK = 360, 1100


@dataclass
class Stage:
    """A browser before a server.

    Attributes:
        driver: the browser.
        url: of the server.
        states: what it shows from now on.
    """

    driver: webdriver.Chrome
    url: str
    states: tuple[TargetState, ...]

    def show(self, scene: str, path: str = "/") -> None:
        """Open a page with the states of a scene."""
        self.states = SCENES[scene]
        self.driver.get(self.url + path)

    def texts(self, selector: str) -> list[str]:
        """What is written in the elements of a CSS selector."""
        return [element.text for element in self.driver.find_elements(By.CSS_SELECTOR, selector)]

    def colour(self, selector: str) -> str:
        """The background of the first of them."""
        return self.driver.find_element(By.CSS_SELECTOR, selector).value_of_css_property("background-color")

    def faults(self) -> list[str]:
        """What the console complains of, and requests to anywhere else, since this was asked last."""
        console = [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]  # type: ignore[no-untyped-call]
        sent = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        return console + [url for url in sent if not url.startswith((self.url, "data:"))]


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    """A server whose states a test chooses, and a browser."""
    stage: Stage
    site = Site(
        telemetry_path="/metrics",
        states=lambda: stage.states,
        ready=lambda: all(state.last_walk for state in stage.states),
        metrics=lambda _, __: (),
        now=lambda: NOW,
        started=NOW - 5 * HOUR,
        config=lambda: "poll:\n  interval: 60.0\n" + "targets: " + "x" * 500,
    )
    with hosted(site) as host, chromium() as driver:
        stage = Stage(driver, f"http://{host.place}", ())
        look(driver, width=DESK)
        yield stage


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which checks accessibility."""
    into = ROOT / "build" / "axe"
    into.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).with_name("package.json"), into)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=into, check=True, timeout=300)
    return (into / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("view", [*SCENES, "every-kind/config", "every-kind/?text=nobody"])
def test_everybody_can_use_it(view: str, width: int, dark: bool, on: Stage, axe: str) -> None:
    """axe-core finds nothing, nothing is wider than the window, no console error, no request to elsewhere.

    A picture of each state is left in build/status-page for whoever wants to look.
    """
    look(on.driver, width=width, dark=dark)
    scene, _, path = view.partition("/")
    on.show(scene, f"/{path}")

    on.driver.execute_script(axe)
    found = on.driver.execute_async_script("axe.run().then(arguments[0])")
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    assert found["passes"]
    assert on.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert on.faults() == []

    pictures = ROOT / "build" / "status-page"
    pictures.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "-", f"{view}-{width}-{'dark' if dark else 'light'}")
    picture(on.driver, pictures / f"{name}.png")


def test_dark_mode_is_dark(on: Stage) -> None:
    """The page follows the browser."""
    on.show("every-kind")
    look(on.driver, width=DESK)
    assert on.colour("body") == "rgba(255, 255, 255, 1)"
    look(on.driver, width=DESK, dark=True)
    assert on.colour("body") == "rgba(13, 17, 23, 1)"
    look(on.driver, width=DESK)


def test_a_bar_is_drawn_to_scale(on: Stage) -> None:
    """Training took most of the time, so it has most of the bar; the mark of the peers is beyond."""
    on.show("every-kind", "/?text=runs")
    width = {
        name: on.driver.find_element(By.CSS_SELECTOR, f".bar rect.{name}").rect["width"]
        for name in ("track", "age", "t-data_processing", "t-training")
    }
    assert width["t-training"] / width["age"] == pytest.approx(0.9, abs=0.02)
    assert width["t-data_processing"] < width["t-training"] < width["age"] < width["track"]


def test_filter_by_form_and_link_it(on: Stage) -> None:
    """What is typed and chosen ends up in the URL, which gives the same page to whoever opens it."""
    on.show("every-kind")
    assert len(on.texts(".job")) == 17
    on.driver.find_element(By.ID, "f-text").send_keys("ai")
    on.driver.find_element(By.CSS_SELECTOR, "#f-status option:nth-child(4)").click()
    on.driver.find_element(By.ID, "f-text").send_keys(Keys.ENTER)
    wait_for("the filtered page", lambda: "status=Failed" in on.driver.current_url)
    assert on.texts(".job h3") == ["fails"]
    on.driver.get(on.driver.current_url)
    assert on.texts(".job h3") == ["fails"]
    assert on.driver.find_element(By.ID, "f-text").get_property("value") == "ai"
    on.driver.find_element(By.LINK_TEXT, "Show all").click()
    wait_for("all of them", lambda: len(on.texts(".job")) == 17)


def test_pages_can_be_turned(on: Stage) -> None:
    """Fifty jobs at a time."""
    on.show("many-jobs")
    assert len(on.texts(".job")) == 50
    on.driver.find_element(By.LINK_TEXT, "Next").click()
    wait_for("page 2", lambda: on.texts(".pages span") == ["Page 2 of 100, 5,000 jobs"])


def test_it_refreshes_itself(on: Stage) -> None:
    """Every 30 seconds, but not while somebody reads on; when the exporter is gone it says so."""
    source = "window.setInterval = (tick, time) => { window.tick = tick; window.every = time; };"
    script = on.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
    on.show("long-message")
    assert on.driver.execute_script("return window.every") == 30_000

    on.driver.find_element(By.TAG_NAME, "summary").click()
    on.states = SCENES["every-kind"]
    on.driver.execute_async_script("window.tick().then(arguments[0])")
    assert on.texts("h1") == ["1 target; 0 jobs running, 1 failed in the last 24 hours"]

    on.driver.find_element(By.TAG_NAME, "summary").click()
    on.driver.execute_script("document.activeElement.blur()")
    on.driver.execute_async_script("window.tick().then(arguments[0])")
    assert len(on.texts(".job")) == 17
    assert on.texts("h1")[0].startswith("3 targets, 1 down; 4 jobs running")
    assert on.faults() == []

    on.driver.execute_script("window.fetch = () => Promise.reject(new Error())")
    on.driver.execute_async_script("window.tick().then(arguments[0])")
    assert on.texts("#trouble") == ["The exporter does not answer: this is what it last showed."]
    on.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_without_javascript(on: Stage) -> None:
    """All of it is there; only the refreshing is not."""
    on.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        on.show("every-kind")
        assert len(on.texts(".job")) == 17
        assert on.texts("#auto") == [""]
    finally:
        on.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_keyboard(on: Stage) -> None:
    """The first stop is a link past the header, and every stop can be seen."""
    on.show("every-kind")
    on.driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    first = on.driver.switch_to.active_element
    assert first.text == "Skip to the content"
    assert first.rect["x"] >= 0
    on.driver.find_element(By.ID, "f-text").send_keys(Keys.TAB)
    focused = on.driver.switch_to.active_element
    assert focused.get_attribute("id") == "f-account"
    assert focused.value_of_css_property("outline-style") == "solid"


def test_the_demo(on: Stage, tmp_path: Path) -> None:
    """What `make demo` shows: one target that is down, a job that waits, and failures with their reasons."""
    with serving(["--demo"], tmp_path, clean_environment(tmp_path)) as demo:
        on.driver.get(demo.url)
        headings = on.texts("h2")
        assert headings[:2] == ["Targets that are down", "Jobs in the lists"]
        assert any(text.startswith("Waiting: no sub-task runs") for text in headings)
        assert "The exporter's identity may not list model customization jobs." in on.texts("h3")
        on.driver.get("about:blank")  # lets go of the connection
    assert [fault for fault in on.faults() if demo.url not in fault and "about:" not in fault] == []
