"""The command line's flags. Imports little: a wrong flag, `--help` and `--version` answer at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

from exporter import NAME, __version__
from exporter.config.duration import parse_duration
from exporter.targets.shard import Shard
from exporter.web.address import Address


def parser() -> argparse.ArgumentParser:
    """The parser of all flags."""
    parser = argparse.ArgumentParser(
        prog=NAME, description="Watches Amazon Bedrock model customization jobs for Prometheus.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--version", action="version", version=f"{NAME} {__version__}")
    add(
        "--config.file", dest="config_file", metavar="FILE", default="config.yaml",
        help="configuration file (default: %(default)s)",
    )  # fmt: skip
    add(
        "--web.listen-address", dest="addresses", metavar="HOST:PORT", action="append", type=_address,
        help="where to listen, :PORT for every interface; may be given more than once (default: :9848)",
    )  # fmt: skip
    add(
        "--web.telemetry-path", dest="telemetry_path", metavar="PATH", default="/metrics", type=_path,
        help="path of the metrics (default: %(default)s)",
    )  # fmt: skip
    add(
        "--web.config.file", dest="web_config", metavar="FILE",
        help="TLS, users and passwords, in the format of Prometheus's exporters (default: plain HTTP for all)",
    )  # fmt: skip
    add(
        "--web.probes-without-auth", dest="probes_exempt", action="store_true",
        help="answer /-/healthy and /-/ready without a password or client certificate",
    )  # fmt: skip
    add(
        "--log.level", dest="log_level", default="info", type=str.lower,
        choices=("debug", "info", "warn", "warning", "error"), help="(default: %(default)s)",
    )  # fmt: skip
    add(
        "--log.format", dest="log_format", default="logfmt", choices=("logfmt", "json"), help="(default: %(default)s)"
    )  # fmt: skip
    add(
        "--config.auto-reload-interval", dest="auto_reload", metavar="DURATION", type=_duration,
        help="check the file for changes at this interval, and reload it (default: only at SIGHUP)",
    )  # fmt: skip
    add(
        "--web.enable-lifecycle", dest="lifecycle", action="store_true", help="also reload on POST /-/reload"
    )  # fmt: skip
    add(
        "--shard.total", dest="shards", metavar="N", default=1, type=_number_from(1),
        help="exporters that share the targets of one configuration (default: %(default)s)",
    )  # fmt: skip
    add(
        "--shard.index", dest="shard", metavar="I", type=_number_from(0),
        help="this exporter's number, from 0 (default: the number at the end of the host name, as in a StatefulSet)",
    )  # fmt: skip
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--config.check", dest="config_check", action="store_true", help="check the configuration and exit"
    )
    mode.add_argument(
        "--once", action="store_true",
        help="walk every target once, print the metrics and exit (1 if a target failed)",
    )  # fmt: skip
    mode.add_argument(
        "--doctor", action="store_true",
        help="check what each target needs, say how to fix what is missing, and exit (1 if a check fails)",
    )  # fmt: skip
    mode.add_argument(
        "--demo", action="store_true", help="run against an embedded simulated Bedrock; needs no AWS account"
    )
    return parser


def shard(flags: argparse.Namespace, host: str) -> Shard:
    """Which targets are this process's; ValueError says what is wrong with the flags.

    Args:
        flags: as parsed.
        host: the host's name, which may end with the number.
    """
    if flags.shard is not None:
        index: int = flags.shard
    elif flags.shards == 1:
        index = 0
    elif ordinal := re.search(r"-(\d{1,4})$", host, re.ASCII):
        index = int(ordinal[1])
    else:
        raise ValueError(f"--shard.index is missing, and the host name {host!r} does not end with a number")
    if index >= flags.shards:
        raise ValueError(f"shard {index} is not one of {flags.shards}: --shard.index counts from 0")
    return Shard(index, flags.shards)


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _path(text: str) -> str:
    if not re.fullmatch(r"/(?!-/|/)[^?#% ]+", text) or not text.isprintable():  # nor what UTF-8 can't encode
        raise argparse.ArgumentTypeError(f"{text!r} is not a path such as /metrics")
    return text


def _duration(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is less than 1s")
    return seconds


def _number_from(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to 9999")
        return int(text)

    return parse
