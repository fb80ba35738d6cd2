"""The image is small, has nothing in it that it need not have, and runs as nobody on a file system that is read-only.

It is built by Docker, or by the program that the variable IMAGE_BUILDER names, for machines that can't run Docker: that
one is called with the project's folder and a tag, and leaves the image with buildah. These are the only tests that are
left out where their tool is missing.
"""

import os
import re
import runpy
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from e2e.images import CONFIG, ROOT, TAG, Buildah, Docker, Image, docker_works, read, run
from e2e.installed import demo, families, families_here

import exporter

pytestmark = pytest.mark.e2e

PROGRAM = "/opt/exporter/bin/bedrock-customization-exporter"
PYTHON = "/opt/exporter/bin/python"
NOBODY = 65532
MEGABYTE = 1_000_000
SERVICES = runpy.run_path(str(ROOT / "packaging" / "trim_botocore.py"))["SERVICES"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image, built from this checkout."""
    builder = os.environ.get("IMAGE_BUILDER")
    if builder:
        buildah = Buildah(builder)
        buildah.build()
        container = run(["buildah", "from", "--pull-never", TAG]).strip()
        try:
            buildah.root = run(["buildah", "mount", container]).strip()
            image = read(buildah, tmp_path_factory.mktemp("image"))
            buildah.config = image.config
            yield image
        finally:
            run(["buildah", "rm", container])
    elif docker_works():
        docker = Docker()
        docker.build()
        yield read(docker, tmp_path_factory.mktemp("image"))
    else:
        pytest.skip("nothing here can build an image: no Docker that works, and no IMAGE_BUILDER")


def test_what_it_says_of_itself(image: Image) -> None:
    """Who it runs as, what it runs, how it is stopped, where it listens, and which version of what it is."""
    config = image.config
    assert config["User"] == f"{NOBODY}:{NOBODY}"  # a number, so that Kubernetes sees that it is not root
    assert config["Entrypoint"] == [PROGRAM]  # no shell
    assert not config.get("Cmd")
    assert config["WorkingDir"] == CONFIG
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["ExposedPorts"]) == ["9848/tcp"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["version"] == exporter.__version__
    assert labels["title"] == exporter.NAME
    assert labels["licenses"] == "Apache-2.0"
    assert labels["source"].startswith("https://github.com/")


def test_size(image: Image) -> None:
    """What it adds to its base is at most 60 MB, shown largest first with `pytest -s`."""
    parts: dict[str, int] = {}
    for path, size in image.files.items():
        places = path.split("/")
        part = "/".join(places[: 7 if "site-packages" in places else 5])
        parts[part] = parts.get(part, 0) + size
    total = sum(parts.values())
    for part, size in sorted(parts.items(), key=lambda item: -item[1])[:20]:
        print(f"{size / MEGABYTE:6.1f} MB  {part}")
    print(f"{total / MEGABYTE:6.1f} MB  {len(image.files)} files")
    assert total <= 60 * MEGABYTE


def test_contents(image: Image) -> None:
    """It adds the exporter's environment and bytecode of the standard library, and takes away pip."""
    left_by_builders = {"/etc/hosts", "/etc/resolv.conf"}
    places = {path for path in image.files if not path.startswith("/opt/exporter/")} - left_by_builders
    assert [path for path in places if not path.startswith("/usr/local/")] == []
    added = {path for path in places if not Path(path).name.startswith(".wh.")}
    assert [path for path in added if not path.endswith(".pyc")] == []
    site = "/opt/exporter/lib/python3.13/site-packages/"
    packages = {path.removeprefix(site).split("/")[0] for path in image.files if path.startswith(site)}
    assert {"exporter", "aiohttp", "boto3", "botocore", "isal", "msgspec", "pydantic"} <= packages
    assert packages & {"pip", "setuptools", "wheel", "hatchling", "tests"} == set()
    data = f"{site}botocore/data/"
    services = {path.removeprefix(data).split("/")[0] for path in image.files if path.startswith(data)}
    assert {name for name in services if not name.endswith(".json")} == set(SERVICES)


@pytest.mark.parametrize("python", [PYTHON, "/usr/local/bin/python3"])
@pytest.mark.parametrize("module", ["pip", "ensurepip"])
def test_no_pip(image: Image, python: str, module: str) -> None:
    """Nothing can be installed into it, nor can what installs: Python comes with a copy of pip, in ensurepip."""
    tried = image.run(python, "-m", module, "--version")
    assert tried.returncode == 1
    assert f"No module named {module}" in tried.stderr


def test_no_compiler(image: Image) -> None:
    """Nor compiled in it."""
    find = "import shutil; print([name for name in ('cc', 'gcc', 'g++', 'make') if shutil.which(name)])"
    assert image.run(PYTHON, "-c", find).stdout == "[]\n"


def test_nobody_who_can_write_nowhere(image: Image) -> None:
    """The tests below run as user and group 65532 without other groups, and writing fails as the root is read-only."""
    look = """
import errno, os
print(os.getuid(), os.getgid(), os.getgroups() in ([], [65532]))
for place in ("/tmp", "/var/tmp", "/opt/exporter", "/etc/bedrock-customization-exporter", "/"):
    try:
        open(place + "/written", "w")
        print(place, "written")
    except OSError as error:
        print(place, errno.errorcode[error.errno])
"""
    lines = image.run(PYTHON, "-c", look).stdout.splitlines()
    assert lines[0] == f"{NOBODY} {NOBODY} True"
    assert {line.split()[1] for line in lines[1:]} == {"EROFS"}
    assert len(lines) == 6


def test_bytecode_is_there(image: Image) -> None:
    """Nothing that the start imports has to be compiled at each start."""
    look = """
import sys, exporter.cli
for module in list(sys.modules.values()):
    spec = getattr(module, "__spec__", None)
    if spec and spec.has_location and spec.cached:
        try:
            open(spec.cached)
        except OSError:
            print(module.__name__)
"""
    looked = image.run(PYTHON, "-c", look)
    assert (looked.stdout, looked.stderr, looked.returncode) == ("", "", 0)


def test_version(image: Image) -> None:
    """It says which version it is, and of what Python."""
    assert re.match(
        rf"{exporter.NAME} {exporter.__version__} \(.*Python 3\.\d+\.\d+\)\n$", image.run(PROGRAM, "--version").stdout
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> set[bytes]:
    """The families that the demo of this checkout shows."""
    return families_here(tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("variables", [{}, {"HOME": "/nonexistent"}], ids=["no home", "home that does not exist"])
def test_demo(image: Image, expected: set[bytes], tmp_path: Path, variables: Mapping[str, str]) -> None:
    """Its demo answers a scrape with every family, complains of nothing, and ends well on SIGTERM."""
    with demo(image.engine.command(PROGRAM, None, variables), tmp_path, os.environ) as running:
        assert families(running) == expected
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=5) == 0
    log = (tmp_path / "stderr").read_text()
    above = [line for line in log.splitlines() if " level=info " not in line and "reason=access_denied" not in line]
    assert above == []  # but for the one target that is denied


def test_config_check(image: Image, tmp_path: Path) -> None:
    """It finds a configuration that is mounted where it looks for one, and says what is wrong with it."""
    tmp_path.chmod(0o755)
    file = tmp_path / "config.yaml"
    file.write_text("targets: [{regions: [us-east-1]}]\n")
    checked = image.run(PROGRAM, "--config.check", config=tmp_path)
    assert (checked.stdout, checked.returncode) == ("config.yaml: valid, 1 target\n", 0)
    file.write_text("poll: {interval: 1s}\n")
    checked = image.run(PROGRAM, "--config.check", config=tmp_path)
    assert checked.returncode == 2
    assert "config.yaml:1: poll.interval: '1s' is less than 10s\n" in checked.stderr


def test_no_config(image: Image) -> None:
    """Without a configuration it says what is missing, rather than watch something by chance."""
    ran = image.run(PROGRAM)
    expected = (
        "config.yaml: can't be read: No such file or directory; "
        "name a configuration file with --config.file (an empty one will do), or look around with --demo\n"
    )
    assert (ran.stderr, ran.returncode) == (expected, 2)
