"""What a release is made from: the version in every place, the locks, the Dockerfile, the workflows."""

import re
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import exporter

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "build.lock": PROJECT["build-system"]["requires"],
}
"""What each of them pins, with all that it needs."""

PLACES = {
    "exporter/__init__.py": r'^__version__ = "(.+)"$',
    "Dockerfile": r"^ARG VERSION=(.+)$",
    "docs/install.md": r"^VERSION=(.+)$",
    "helm/Chart.yaml": r'^(?:version: |appVersion: ")([^"\n]+)"?$',
}


def run(command: Sequence[str | Path], directory: Path = ROOT) -> str:
    """Run a command that ends well: its standard output. What it has to say otherwise."""
    ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def versions(file: Path, pattern: str) -> set[str]:
    """Each version that a file names."""
    return set(re.findall(pattern, file.read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("file", PLACES)
def test_one_version(file: str) -> None:
    """The package, the image, the chart and the commands in the docs have the same version."""
    assert versions(ROOT / file, PLACES[file]) == {exporter.__version__}


@pytest.mark.e2e
def test_make_version(tmp_path: Path) -> None:
    """`make version` writes a version wherever it stands, but for the chart's, which `make docs` writes."""
    written = [file for file in PLACES if not file.startswith("helm/")]
    for file in ("Makefile", "CHANGELOG.md", *written):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for _ in range(2):  # the second time a section is there already, and only gets its date
        run(["make", "version", "VERSION=98.76.54", "MAKE=true"], tmp_path)
    assert {file: versions(tmp_path / file, PLACES[file]) for file in written} == {
        file: {"98.76.54"} for file in written
    }
    changelog = (tmp_path / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[Unreleased\]\n\n## \[98\.76\.54\] - \d{4}-\d\d-\d\d\n", changelog, re.MULTILINE)
    assert changelog.count("98.76.54") == 1


def test_changelog_has_the_version() -> None:
    """A section of its own, which the GitHub release will show."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog.count(f"\n## [{exporter.__version__}] - ") == 1


def pins(lock: str) -> dict[str, tuple[str, str]]:
    """Package → its version and the rest of its entry: hashes, and comments on who needs it."""
    text = (ROOT / "packaging" / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    found = {}
    for entry in filter(None, entries):
        head, _, rest = entry.partition("\n")
        name, _, version = head.removesuffix(" \\").partition("==")
        found[name] = (version, rest)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_is_within_the_ranges(lock: str) -> None:
    """Each dependency is pinned to a version that pyproject.toml allows; if not, `make lock` pins anew."""
    pinned = pins(lock)
    for wanted in map(Requirement, LOCKS[lock]):
        version, _ = pinned[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{wanted} is pinned to {version}"


@pytest.mark.e2e
@pytest.mark.parametrize("platform", ["x86_64", "aarch64"])
@pytest.mark.parametrize("lock", LOCKS)
def test_lock_can_be_installed(tmp_path: Path, lock: str, platform: str) -> None:
    """Whatever a pinned package needs is pinned, and has a wheel, on both platforms of the image."""
    image = ["--python-version=3.13", f"--python-platform={platform}-manylinux_2_28", "--only-binary=:all:"]
    locked = ["--require-hashes", f"--requirement=packaging/{lock}"]
    run([SCRIPTS / "uv", "pip", "install", "--dry-run", f"--target={tmp_path}", *image, *locked])


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_has_hashes_and_no_urls(lock: str) -> None:
    """Every package has the hashes of its files; where they are got from is not in the lock."""
    assert "://" not in (ROOT / "packaging" / lock).read_text(encoding="utf-8")
    for name, (_, rest) in pins(lock).items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name


def test_dockerignore_lets_in_what_is_copied() -> None:
    """All is left out of what the builder sees, but for what the Dockerfile copies."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    lines = [line for line in ignore if not line.startswith("#")]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(" ".join(copied).split())
    assert lines[-1] == "**/__pycache__"


def test_base_image_by_digest() -> None:
    """What is released is built on the image of the Dockerfile, by a digest that Dependabot keeps current."""
    (pinned,) = re.findall(
        r"^FROM (\S+)", (ROOT / "packaging/base/Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    tag, _, digest = pinned.partition("@")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    stages = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(stages) == {tag}
    for file in ("Makefile", ".github/workflows/release.yml"):
        (expression,) = re.findall(
            r"sed -nE '(.+)' packaging/base/Dockerfile", (ROOT / file).read_text(encoding="utf-8")
        )
        given = run(["sed", "-nE", expression, "packaging/base/Dockerfile"]).strip()
        assert given.removeprefix("base=") == f"{tag}=docker-image://{pinned}"


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile has none of the faults that hadolint knows."""
    run([SCRIPTS / "hadolint", "Dockerfile"])


def test_zizmor_finds_nothing() -> None:
    """The workflows pin each action to a commit, give no job more than it needs, and run no text of strangers."""
    run([SCRIPTS / "zizmor", "--offline", "--persona=auditor", ".github"])


PUBLISH = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]["image"]
"""The job that publishes the image."""


def test_image_is_tagged_last() -> None:
    """It is pushed without a tag, and gets one only when both platforms have started and it is signed."""
    *_, build, start, sign, tag = PUBLISH["steps"]
    assert "tags" not in build["with"]
    assert "push" not in build["with"]
    assert build["with"]["outputs"].endswith(",push-by-digest=true,name-canonical=true,push=true")
    assert all(platform in start["run"] for platform in build["with"]["platforms"].split(","))
    assert "cosign sign" in sign["run"]
    assert "--tag" in tag["run"]


@pytest.mark.parametrize(
    ("inspect", "tags"),
    [
        ('echo "ERROR: localhost/it:1.2.3: not found" >&2; exit 1', ["1.2", "1.2.3"]),
        ("echo Name: localhost/it:1.2.3", []),
        ("echo ERROR: no route to host; exit 1", []),
    ],
    ids=["new", "published", "registry out of reach"],
)
def test_a_published_version_stays(tmp_path: Path, inspect: str, tags: list[str]) -> None:
    """A version that is there, or may be, is not tagged again."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\ncase $3 in inspect) {inspect};; create) echo "$@" >> {tmp_path}/created;; esac\n')
    docker.chmod(0o755)
    created = tmp_path / "created"
    created.touch()
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "IMAGE": "localhost/it",
        "DIGEST": "sha256:0",
        "GITHUB_REF_NAME": "v1.2.3",
    }
    script = PUBLISH["steps"][-1]["run"]
    ran = subprocess.run(["bash", "-ec", script], env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == (0 if tags else 1), ran.stdout + ran.stderr
    assert ran.stdout.startswith("::error::localhost/it:1.2.3 is published") == (not tags)
    assert created.read_text().splitlines() == [
        f"buildx imagetools create --tag localhost/it:{tag} localhost/it@sha256:0" for tag in tags
    ]


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("github-workflows", "workflows/*.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_github_accepts_the_files(schema: str, files: str) -> None:
    """They match GitHub's own schemas."""
    found = sorted((ROOT / ".github").glob(files))
    run([SCRIPTS / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *found])
