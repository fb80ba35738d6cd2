"""What hostile clients send, and what becomes of them: lines for docs/reliability.md."""

from reliability.rows import Row

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n"
HEAD = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
GET = b"GET /metrics" + HEAD
REFUSED = {
    "one header of 1 MB": GET + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "1 MB of headers": GET + b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(125)) + b"\r\n",
    "100,000 headers": GET + b"X: y\r\n" * 100_000 + b"\r\n",
    "a header without end": GET + b"X" * 1_000_000,
    "a path of 1 MB": b"GET /" + b"a" * 1_000_000 + HEAD + b"\r\n",
    "an unknown method": b"BREW /metrics" + HEAD + b"\r\n",
    "an invalid method": b"G\x00T /" + HEAD + b"\r\n",
    "a method of 1 MB": b"G" * 1_000_000 + b" /" + HEAD + b"\r\n",
    "a path with a NUL": b"GET /\x00" + HEAD + b"\r\n",
    "an invalid URL": b"GET http://[::1/" + HEAD + b"\r\n",
    "two lengths": b"POST /" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a negative length": b"POST /" + HEAD + b"Content-Length: -1\r\n\r\n",
    "an invalid chunk": b"POST /" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET /metrics HTTP/9.9\r\n\r\n",
    "a good one and then nonsense": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x00\r\n\r\n",
    "bytes": bytes(range(256)) * 40 + b"\r\n\r\n",
}


ANSWERED = {
    "another method": (b"DELETE /metrics" + HEAD + b"\r\n", [405]),
    "an unknown path": (b"GET /%ff/../%00?%zz=%" + HEAD + b"\r\n", [404]),
    "no path": (b"OPTIONS *" + HEAD + b"\r\n", [404]),
    "HEAD": (b"HEAD /metrics" + HEAD + b"\r\n", [200]),
    "HTTP/1.0": (b"GET /metrics HTTP/1.0\r\n\r\n", [200]),
    "a body": (b"GET /metrics" + HEAD + b"Content-Length: 5\r\n\r\nhello", [200]),
    "a body that is not packed as it says": (
        b"POST /metrics" + HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        [405],
    ),
    "an upgrade": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\n\r\n", [200]),
    "pipelining": (SCRAPE * 3 + b"GET /-/healthy" + HEAD + b"\r\n", [200] * 4),
}


FILE = "tests/reliability/test_clients.py"
NOTHING = "—"

SLOW = {
    "200 clients drip headers, a byte now and then": (
        "scrapes go on; each is cut off 10 s after it connected",
        "test_clients_that_send_no_request[drip]",
    ),
    "20 clients connect and say nothing": (
        "scrapes go on; each is cut off after 10 s",
        "test_clients_that_send_no_request[silent]",
    ),
    "a client drips headers after a good request": (
        "it is cut off 75 s after its last response",
        "test_headers_that_drip_after_a_good_request",
    ),
    "headers that never end": ("the client is cut off at 64 KiB", "test_large_headers_that_never_end"),
    "50 readers stop in the middle of a large page": (
        "scrapes go on; each is cut off 30 s after its request",
        "test_50_readers_that_stop",
    ),
    "stuck readers come one after the other, each with a page of its own": (
        "beyond 64 MiB of unread pages, the one that has stalled longest is cut off",
        "test_what_stuck_readers_hold_is_bounded",
    ),
    "64 scrapes at once, in every format and encoding": (
        "each gets the whole page as requested; waiting scrapes share one rendering",
        "test_scrapes_at_once_share_pages",
    ),
    "stalled clients hold all connections, and new ones keep coming": (
        "for each new client, the one that has stalled longest is cut off; the new client gets its page",
        "test_those_that_stand_still_go_first",
    ),
    "more connections than the limit while scrapes are rendered or read": (
        "connections without a request are closed; the scrapes are not cut off",
        "test_a_scrape_under_way_stays",
    ),
    "one address tries to take all connections": (
        "it gets three quarters of them; other addresses can still connect",
        "test_one_address_leaves_places_for_others",
    ),
    "the process may open few files": (
        "clients use at most half of the files that the process can spare",
        "test_places_follow_the_limit_of_open_files",
    ),
    "nonsense in `Accept` and `Accept-Encoding`": (
        "the whole page, as text or OpenMetrics, compressed or not",
        "test_accept_headers_of_nonsense",
    ),
    "all of these at once": (
        "scrapes are complete and correct; afterwards no descriptor is left open",
        "test_everything_at_once_and_nothing_left",
    ),
}
"""What a crowd does → what users see, and the test."""

ROWS = [
    *(Row(fault, seen, NOTHING, f"{FILE}::{test}") for fault, (seen, test) in SLOW.items()),
    *(
        Row(
            f"an invalid request: {name}",
            "400, or the connection is reset; scrapes go on",
            NOTHING,
            f"{FILE}::test_what_is_not_http_is_refused[{name}]",
        )
        for name in REFUSED
    ),
    *(
        Row(
            f"an odd request: {name}",
            "it is answered: " + ", ".join(map(str, statuses)),
            NOTHING,
            f"{FILE}::test_odd_requests_are_answered[{name}]",
        )
        for name, (_, statuses) in ANSWERED.items()
    ),
    Row(
        "100 clients request pages while a slow page is being made",
        "scrapes and `/-/healthy` are answered meanwhile; identical requests share one page",
        NOTHING,
        "tests/web/test_routes.py::test_neither_a_scrape_nor_health_waits_for_a_page",
    ),
    Row(
        "SIGTERM while clients read slowly",
        "they get 2 s; exit code 0 within 5 s",
        "`ended`",
        f"{FILE}::test_sigterm_during_slow_reads",
    ),
    Row(
        "SIGTERM or Ctrl-C while it starts",
        "it ends at once, with exit code 143 or 130",
        NOTHING,
        "tests/command_line/test_processes.py::test_a_signal_while_it_loads_ends_it_at_once[SIGTERM]",
    ),
    Row(
        "standard error is a pipe that nobody reads",
        "scrapes go on, `bedrock_exporter_log_lines_dropped_total` counts what is lost; SIGTERM ends it within 5 s",
        NOTHING,
        "tests/command_line/test_processes.py::test_nobody_reads_standard_error",
    ),
    Row(
        "the port is taken",
        "exit code 1",
        "`can't start`, “can't listen on …: Address already in use; choose another with --web.listen-address”",
        "tests/command_line/test_cli.py::test_a_port_that_is_taken_ends_with_1",
    ),
    Row(
        "listening on IPv6",
        "scrapes over `[::1]`; where the machine has none, exit code 1",
        "`can't start`, “can't listen on [::1]:…” where it has none",
        "tests/web/test_server.py::test_ipv6",
    ),
]
