"""Takes the pictures of the status page for the docs.

`python -m tools.status_pictures http://127.0.0.1:9848` writes docs/status-page/*.webp of an exporter, such as
the demo's. It needs Chromium and chromedriver.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.browser import chromium, look, picture

INTO = Path(__file__).parents[1] / "docs" / "status-page"

VIEWS = {
    "light": ("/", 1000, 1100, False),
    "dark": ("/?status=InProgress", 1000, 1100, True),
    "phone": ("/", 390, 1100, False),
}
"""Name of a picture → path and query, width and height in pixels, whether in dark mode."""


def main(exporter: str) -> None:
    """Write all pictures.

    Args:
        exporter: its URL.
    """
    INTO.mkdir(parents=True, exist_ok=True)
    with chromium() as driver:
        for name, (path, width, height, dark) in VIEWS.items():
            look(driver, width=width, height=height, dark=dark)
            driver.get(exporter + path)
            picture(driver, INTO / f"{name}.webp")
            print(f"wrote {INTO / name}.webp")


if __name__ == "__main__":
    main(sys.argv[1])
