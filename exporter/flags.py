"""The command line's flags. Imports little, so that a wrong flag, `--help` and `--version` answer at once."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import re
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from exporter import NAME, version
from exporter.config.duration import parse_duration
from exporter.targets.shard import Shard
from exporter.web.address import Address

MAX_WIDTH = 100
"""Columns of `--help`, at most."""

LEVELS = ("debug", "info", "warn", "warning", "error")
SHELLS = ("bash", "zsh", "tcsh")


def parser() -> argparse.ArgumentParser:
    """The parser of all flags."""
    parser = _Parser(
        prog=NAME,
        usage=f"{NAME} [flags]",
        description="Watches Amazon Bedrock model customization jobs, and serves what it sees to Prometheus.",
        epilog="Without a mode it polls Amazon Bedrock and serves metrics until it is stopped.",
        allow_abbrev=False,
        add_help=False,
        formatter_class=_formatter,
    )
    modes = parser.add_argument_group("modes")
    mode = modes.add_mutually_exclusive_group()
    mode.add_argument("--demo", action="store_true", help="run against a simulated Bedrock; needs no AWS account")
    mode.add_argument(
        "--doctor", action="store_true",
        help="check what each target needs, say how to fix what is missing, and exit (1 if a check fails)",
    )  # fmt: skip
    mode.add_argument(
        "--once", action="store_true",
        help="walk every target once, print the metrics and exit (1 if a target failed)",
    )  # fmt: skip
    mode.add_argument(
        "--config.check", dest="config_check", action="store_true", help="check the configuration and exit"
    )

    add = parser.add_argument_group("configuration").add_argument
    config_file = add(
        "--config.file", dest="config_file", metavar="FILE", default="config.yaml", type=_file,
        help="configuration file (default: %(default)s)",
    )  # fmt: skip
    add(
        "--config.auto-reload-interval", dest="auto_reload", metavar="DURATION", type=_duration,
        help="check the file for changes at this interval, and reload it (default: only at SIGHUP)",
    )  # fmt: skip

    add = parser.add_argument_group("web").add_argument
    add(
        "--web.listen-address", dest="addresses", metavar="HOST:PORT", action="append", type=_address,
        help="where to listen, :PORT for every interface; may be given more than once (default: :9848)",
    )  # fmt: skip
    add(
        "--web.telemetry-path", dest="telemetry_path", metavar="PATH", default="/metrics", type=_path,
        help="path of the metrics (default: %(default)s)",
    )  # fmt: skip
    web_config = add(
        "--web.config.file", dest="web_config", metavar="FILE", type=_file,
        help="TLS, users and passwords, in the format of Prometheus's exporters (default: plain HTTP for all)",
    )  # fmt: skip
    add(
        "--web.probes-without-auth", dest="probes_exempt", action="store_true",
        help="answer /-/healthy and /-/ready without a password or client certificate",
    )  # fmt: skip
    add(
        "--web.enable-lifecycle", dest="lifecycle", action="store_true", help="also reload on POST /-/reload"
    )  # fmt: skip

    add = parser.add_argument_group("sharding").add_argument
    add(
        "--shard.total", dest="shards", metavar="N", default=1, type=_number_from(1),
        help="exporters that share the targets of one configuration (default: %(default)s)",
    )  # fmt: skip
    add(
        "--shard.index", dest="shard", metavar="I", type=_number_from(0),
        help="this exporter's number, from 0 (default: the number at the end of the host name, as in a StatefulSet)",
    )  # fmt: skip

    add = parser.add_argument_group("log").add_argument
    add(
        "--log.level", dest="log_level", metavar="LEVEL", default="info", type=str.lower, choices=LEVELS,
        help="debug, info, warn or error (default: %(default)s)",
    )  # fmt: skip
    add(
        "--log.format", dest="log_format", metavar="FORMAT", default="logfmt", choices=("logfmt", "json"),
        help="logfmt or json (default: %(default)s)",
    )  # fmt: skip

    add = parser.add_argument_group("about").add_argument
    add("-h", "--help", action="help", help="show this help and exit")
    add("--version", action=_Version, help="show the version, the commit it was built from and Python's, and exit")
    add(
        "--completion", action=_Completion, metavar="SHELL", choices=SHELLS, files=(config_file, web_config),
        help=f"print the completion script of a shell ({', '.join(SHELLS)}) and exit",
    )  # fmt: skip
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; if they are wrong, print two lines and exit with code 2."""
    flags = parser()
    for word in argv:
        if word == "--":
            break
        if re.match(r"-[A-Za-z][\w.]", word):  # argparse takes -help for -h -e -l -p
            flags.error(_unknown(word, flags))
    found, rest = flags.parse_known_args(argv)
    if rest:
        words = [word for word in rest if word != "--"] or rest
        flags.error(_unknown(next((word for word in words if word.startswith("-")), words[0]), flags))
    return found


def _unknown(word: str, parser: argparse.ArgumentParser) -> str:
    """The message for an unknown flag or argument; a flag's value is not repeated."""
    if not word.startswith("-") or word == "--":
        file = f"; did you mean --config.file={word}?" if word.endswith((".yaml", ".yml")) else ""
        return f"unexpected argument {word!r}{file}"
    name = word.partition("=")[0]
    known = {_letters(flag): flag for flag in re.findall(r"--[a-z][a-z.-]+", parser.format_help())}
    nearest = difflib.get_close_matches(_letters(name)[:64], known, n=1)
    return f"unknown flag {name if name.isprintable() else ascii(name)}" + (
        f"; did you mean {known[nearest[0]]}?" if nearest else ""
    )


def _letters(flag: str) -> str:
    return re.sub(r"[-_.]", "", flag).lower()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\nRun {self.prog} --help for all flags.\n")


def _formatter(prog: str) -> argparse.HelpFormatter:
    width = min(MAX_WIDTH, shutil.get_terminal_size((MAX_WIDTH, 0)).columns)
    return argparse.HelpFormatter(prog, max_help_position=34, width=width)


class _Version(argparse.Action):
    """Looks up the commit only when `--version` is given."""

    def __init__(self, option_strings: Sequence[str], dest: str, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **settings)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        _print(version.line())
        parser.exit()


class _Completion(argparse.Action):
    """Prints the completion script that shtab generates; `files` are the flags that take a file name."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        files: Sequence[argparse.Action],
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(option_strings, dest, default=argparse.SUPPRESS, **settings)
        self._files = files

    def __call__(self, parser: argparse.ArgumentParser, _: object, values: object, __: str | None = None) -> NoReturn:
        import shtab  # noqa: PLC0415 - hardly ever needed

        for action in self._files:
            action.complete = shtab.FILE  # type: ignore[attr-defined] # where shtab looks for it
        _print(shtab.complete(parser, shell=str(values)))
        parser.exit()


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # a closed pipe; argparse ignores it for --help, too
        print(text, flush=True)


def _file(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("the file name is empty; is a variable not set?")
    return text


def shard(flags: argparse.Namespace, host: str) -> Shard:
    """The shard that this process is; raises ValueError if the flags do not say.

    Args:
        flags: as parsed.
        host: the host name, which may end with the shard's number.
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
    if not re.fullmatch(r"/(?!-/|/)[^?#% ]+", text) or not text.isprintable():  # also what UTF-8 can't encode
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
