"""A configuration file is a regular file of bounded size, read without waiting."""

import os
from pathlib import Path

import pytest

from exporter.config.config import ConfigError
from exporter.config.source import MAX_BYTES, digest, read

OTHER = "name a configuration file with --config.file (an empty one will do), or look around with --demo"


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    """Every byte, so that the digest is that of `sha256sum`; through a symbolic link, too, as Kubernetes mounts it."""
    (tmp_path / "a").write_bytes(b"a: b\r\n\xff")
    (tmp_path / "link").symlink_to("a")

    assert read(str(tmp_path / "link")) == b"a: b\r\n\xff"
    assert digest(b"") == "e3b0c44298fc1c14"


def test_a_file_may_have_4_mib(tmp_path: Path) -> None:
    """And not a byte more."""
    file = tmp_path / "config.yaml"
    file.write_bytes(b"#" * MAX_BYTES)
    assert len(read(str(file))) == MAX_BYTES == 4_194_304
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match=r"config\.yaml: is larger than 4 MiB$"):
        read(str(file))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("nothing", f"can't be read: No such file or directory; {OTHER}"),
        ("folder", f"is a directory; {OTHER}"),
        ("pipe", "is a named pipe"),
        ("/dev/zero", "is a device"),
        ("x" * 5000, "can't be read: File name too long"),
    ],
    ids=["missing", "folder", "pipe", "device", "long"],
)
def test_what_is_not_a_regular_file_is_refused(tmp_path: Path, name: str, fault: str) -> None:
    """At once: a pipe that nobody writes to would otherwise hold the start for ever. Advice where a flag can help."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    file = str(tmp_path / name)
    with pytest.raises(ConfigError) as caught:
        read(file)

    assert caught.value.faults == [f"{file}: {fault}"]
