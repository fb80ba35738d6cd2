"""The sdist and the wheel: what is in them, and that they work where nothing else of the project is.

``make dist`` has them checked that it has built; else they are built here, into a folder of the test.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Sequence
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from e2e.installed import demo, families, families_here

import exporter

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
NAME = "bedrock_customization_exporter"


def run(command: Sequence[str | Path], directory: Path | None = None) -> str:
    """Standard output of a command that ends well; what it has to say otherwise."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def build(source: Path, out: Path) -> Path:
    """Build both as `make dist` does."""
    constraints = source / "packaging" / "build.lock"
    uv = SCRIPTS / "uv"
    run([uv, "build", "--quiet", f"--build-constraints={constraints}", "--require-hashes", f"--out-dir={out}", source])
    return out


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both."""
    given = os.environ.get("DIST")
    return ROOT / given if given else build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    return dist / f"{NAME}-{exporter.__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def sdist(dist: Path) -> Path:
    return dist / f"{NAME}-{exporter.__version__}.tar.gz"


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What PyPI shows of the wheel: its fields, and the README as the body."""
    with zipfile.ZipFile(wheel) as archive:
        return BytesParser().parsebytes(archive.read(f"{NAME}-{exporter.__version__}.dist-info/METADATA"))


def test_only_these_two(dist: Path, sdist: Path, wheel: Path) -> None:
    """There is one sdist and one wheel, of this version."""
    assert sorted(path.name for path in dist.iterdir() if not path.name.startswith(".")) == [wheel.name, sdist.name]


def test_twine_finds_nothing(sdist: Path, wheel: Path) -> None:
    """PyPI will take both, and render the README."""
    run([SCRIPTS / "twine", "check", "--strict", sdist, wheel])


def test_wheel_is_the_package(wheel: Path, metadata: Message) -> None:
    """The wheel has every module and template of the package, the licence, and nothing of the tests and the tools."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = Path(exporter.__file__).parent
    parts = [*package.rglob("*.py"), *package.glob("web/templates/*"), package / "py.typed"]
    built_from = {"exporter/COMMIT"}  # only a release has it
    assert {name for name in names if ".dist-info/" not in name} - built_from == {
        path.relative_to(ROOT).as_posix() for path in parts
    }
    assert f"{NAME}-{exporter.__version__}.dist-info/licenses/LICENSE" in names
    assert metadata["Version"] == exporter.__version__
    assert metadata["Metadata-Version"] == "2.4"  # see pyproject.toml


def test_readme_links_lead_somewhere(metadata: Message) -> None:
    """PyPI's page has no files beside it: each link of the README, relative there, is the whole address of its file."""
    (homepage,) = (url.split()[-1] for url in metadata.get_all("Project-URL", []) if url.startswith("Homepage,"))
    raw = homepage.replace("github.com", "raw.githubusercontent.com")
    body = metadata.get_payload(decode=True)
    assert isinstance(body, bytes)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    link = re.compile(r"(!?)\[[^\[\]]*(?:!\[[^\]]*\]\([^)]*\))?\]\(([^)]+)\)")
    picture = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
    assert re.findall(r"\]\((?!https?://)[^)]*\)", body.decode()) == []
    assert picture.findall(body.decode()) == [f"{raw}/main/{path}" for path in picture.findall(readme)]
    pages = [path for mark, path in link.findall(readme) if not mark]
    assert pages
    assert [path for mark, path in link.findall(body.decode()) if not mark] == [
        f"{homepage}/blob/main/{path}" for path in pages
    ]


def test_sdist_is_whole(sdist: Path, tmp_path: Path) -> None:
    """The tests of the release, which read files from all over the project, pass in an unpacked sdist."""
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_release.py"], unpacked)


def test_builds_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds of copies with other times and modes give the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")
    built = []
    for name, mode in (("one", 0o644), ("other", 0o600)):
        source = tmp_path / name
        shutil.copytree(ROOT / "exporter", source / "exporter", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "packaging", source / "packaging")
        for file in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / file, source)
        for path in source.rglob("*"):
            if path.is_file():
                path.chmod(mode)
                os.utime(path, (1_700_000_000 + mode, 1_700_000_000 + mode))
        built.append(build(source, tmp_path / f"dist-{name}"))
    one, other = ({path.name: path.read_bytes() for path in folder.glob(f"{NAME}*")} for folder in built)
    assert one.keys() == other.keys()
    assert len(one) == 2
    assert [name for name, content in one.items() if content != other[name]] == []


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel, installed by pip into an empty environment."""
    environment = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", environment])
    run([environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", wheel])
    return environment / "bin" / "bedrock-customization-exporter"


def test_version(program: Path, tmp_path: Path) -> None:
    """The installed command says which version it is."""
    assert run([program, "--version"], tmp_path).startswith(f"{exporter.NAME} {exporter.__version__} (")


def test_demo(program: Path, tmp_path: Path) -> None:
    """A scrape of its demo has the families that this checkout's has, and it complains of nothing."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
    with demo([program], tmp_path, environment) as running:
        shown = families(running)
    lines = (tmp_path / "stderr").read_text().splitlines()
    above = [line for line in lines if " level=info " not in line and "reason=access_denied" not in line]
    assert above == []  # but for the one target that is denied
    assert shown == families_here(tmp_path)
