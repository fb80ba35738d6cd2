"""Debian's headless Chromium, driven by its own chromedriver: for pictures and tests of the status page."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver


def _path_of(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(f"{program} is needed; Debian's packages are chromium and chromium-driver")
    return path


@contextlib.contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """A browser that keeps its console and its requests for whoever asks for its logs."""
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.binary_location = _path_of("chromium")
    driver = webdriver.Chrome(options, webdriver.ChromeService(_path_of("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def look(driver: webdriver.Chrome, *, width: int, height: int = 1000, dark: bool = False) -> None:
    """Look through a window of so many pixels, in light or dark mode."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def picture(driver: webdriver.Chrome, into: Path) -> None:
    """Write what the window shows, as PNG, or as WebP for a tenth of the bytes: by the name of the file."""
    form = into.suffix[1:]
    how = {"format": form} | ({"quality": 70} if form == "webp" else {})
    into.write_bytes(base64.b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", how)["data"]))
