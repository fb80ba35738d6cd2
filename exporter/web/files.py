"""The file of `--web.config.file` and the files that it names, and whether they have changed."""

from __future__ import annotations

from exporter.config import source
from exporter.web.config.load import load
from exporter.web.config.settings import WebConfig


class WebFiles:
    """The file of `--web.config.file`, and the files that it names.

    Args:
        file: its name.
        probes_exempt: see `exporter.web.config.load.load`.
    """

    def __init__(self, file: str, *, probes_exempt: bool) -> None:
        self._file = file
        self._probes_exempt = probes_exempt
        self._seen: dict[str, str] = {}

    def load(self) -> WebConfig:
        """Read all of them; blocks. Raises `ConfigError`."""
        seen: dict[str, str] = {}

        def read(file: str) -> bytes:
            seen[file] = ""  # unless it can be read
            content = source.content(file)
            seen[file] = source.digest(content)
            return content

        try:
            content = source.read(self._file, "--web.config.file", read)
            return load(content, file=self._file, read=read, probes_exempt=self._probes_exempt)
        finally:  # also after a fault, so that it is told once; but not of a disk that hangs
            self._seen = seen

    def changed(self) -> bool:
        """Whether a file has changed since it was last read; blocks."""
        return any(_fingerprint(file) != seen for file, seen in self._seen.items())


def _fingerprint(file: str) -> str:
    try:
        return source.digest(source.content(file))
    except source.Unusable:
        return ""
