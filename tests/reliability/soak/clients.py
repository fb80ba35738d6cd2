"""The clients of the soak: they scrape in step with the walks, and some are rude."""

from __future__ import annotations

import gzip
import http.client
import itertools
import multiprocessing
import random
import re
import socket
import threading
import time
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.jobs.page import Format

_WISHES = [
    {"Accept": accept, "Accept-Encoding": coding}
    for accept, coding in itertools.product(("text/plain", "application/openmetrics-text;version=1.0.0"), ("", "gzip"))
]
CLIENTS = 3
_WALKS = re.compile(rb"target_walk_duration_seconds_count (\d+)")


class Clients:
    """Scrape in step with the walks, in every format; some requests are of other kinds, some clients rude."""

    def __init__(self, port: int, shared: Shared) -> None:
        self._port = port
        self._shared = shared
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def work(self, seed: int) -> None:
        """Until the soak ends."""
        dice = random.Random(seed)
        shared = self._shared
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        for number in itertools.count():
            if shared.ended.is_set():
                break
            if not shared.go.is_set():
                with shared.resting.get_lock():
                    shared.resting.value += 1
                shared.go.wait()
                with shared.resting.get_lock():
                    shared.resting.value -= 1
            try:
                if number % 50 == 49:  # Prometheus keeps its connection; not everybody does
                    connection.close()
                if number % 100 == 33:
                    self._rude(dice)
                if number % 20 == 7:
                    self._other(connection, dice)
                walks = self._scrape(connection, dice, thorough=number % 40 == 0)
            except Exception as error:  # noqa: BLE001 - whatever it is, the soak has failed
                self._complain(f"{type(error).__name__}: {error}")
                connection.close()
                continue
            with shared.scrapes.get_lock():
                shared.scrapes.value += 1
            while shared.scrapes.value * shared.walks_wanted > (walks + 40) * shared.scrapes_wanted:
                walks += 1
                time.sleep(0.002)
        connection.close()

    def _scrape(self, connection: http.client.HTTPConnection, dice: random.Random, *, thorough: bool) -> int:
        wish = dice.choice(_WISHES)
        status, headers, body = self._get(connection, "/metrics", wish)
        packed = headers.get("Content-Encoding") == "gzip"
        if status != 200 or packed != (wish["Accept-Encoding"] == "gzip"):
            self._complain(f"{status} for {wish}")
        page = gzip.decompress(body) if packed else body
        openmetrics = headers["Content-Type"] == Format.OPENMETRICS.value
        name = ("OpenMetrics" if openmetrics else "text") + (", gzip" if packed else "")
        if page.count(b"\nbedrock_exporter_target_up{") != 8 or page.endswith(b"# EOF\n") != openmetrics:
            self._complain(f"a page that is not whole, {name}")
        if thorough:
            for family in (parse_openmetrics if openmetrics else parse_text)(page.decode()):
                for sample in family.samples:
                    if "seconds" in sample.name and sample.value < 0:
                        self._complain(f"below zero: {sample}")
        with self._lock:
            self.counts[name] += 1
        found = _WALKS.search(page)
        return int(found[1]) if found else 0

    def _other(self, connection: http.client.HTTPConnection, dice: random.Random) -> None:
        path, wanted = dice.choice((("/", 200), ("/-/healthy", 200), ("/-/ready", 200), ("/nothing", 404)))
        status, _, _ = self._get(connection, path, {})
        if status != wanted:
            self._complain(f"{path} answered {status}")
        with self._lock:
            self.counts["other pages"] += 1

    @staticmethod
    def _get(connection: http.client.HTTPConnection, path: str, wish: dict[str, str]) -> tuple[int, Any, bytes]:
        connection.request("GET", path, headers=wish)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _rude(self, dice: random.Random) -> None:
        """No proper request, or nobody to read the answer; and then gone."""
        sent = dice.choice(
            (b"", b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01 TLS\r\n\r\n")
        )
        with socket.create_connection(("127.0.0.1", self._port), timeout=20) as rude:
            rude.sendall(sent)
            if dice.random() < 0.5:
                rude.recv(10 if sent.endswith(b"\n") else 0)
        with self._lock:
            self.counts["rude clients"] += 1

    def _complain(self, what: str) -> None:
        with self._lock:
            self.wrong = [*self.wrong[:20], what]


class Shared:
    """What the product's process and the clients' have in common."""

    def __init__(self, walks: int, scrapes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.walks_wanted, self.scrapes_wanted = walks, scrapes
        self.scrapes = context.Value("q", 0)
        self.resting = context.Value("q", 0)
        self.go = context.Event()
        self.ended = context.Event()
        self.go.set()


def scrape_all(parent: Connection, port: int, shared: Shared) -> None:
    """Have all clients scrape until the soak ends, and hand over what they did and what was wrong."""
    clients = Clients(port, shared)
    threads = [threading.Thread(target=clients.work, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    parent.send((clients.counts, clients.wrong))
