"""Building the image and running it, by Docker or without."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[2]
TAG = "localhost/bedrock-customization-exporter:test"
CONFIG = "/etc/bedrock-customization-exporter"

Variables = Mapping[str, str]


class Engine(Protocol):
    """Builds the image and runs it."""

    def build(self) -> None:
        """Build the image, under the tag."""

    def save(self, archive: Path) -> None:
        """Write the image into an archive as `docker save` makes it."""

    def command(self, program: str, config: Path | None, variables: Variables) -> list[str | Path]:
        """What runs a program in the image, read-only, as the image's user.

        Args:
            program: its path.
            config: a folder to be seen at CONFIG.
            variables: of the environment, besides the image's own.
        """


class Docker:
    """Docker, on this machine."""

    def build(self) -> None:
        run(["docker", "build", "--quiet", f"--tag={TAG}", ROOT])

    def save(self, archive: Path) -> None:
        run(["docker", "save", f"--output={archive}", TAG])

    def command(self, program: str, config: Path | None, variables: Variables) -> list[str | Path]:
        hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
        mounts = [f"--volume={config}:{CONFIG}:ro"] if config else []
        environment = [f"--env={name}={value}" for name, value in variables.items()]
        return ["docker", "run", "--rm", *hardened, *mounts, *environment, f"--entrypoint={program}", TAG]


@dataclass
class Buildah:
    """A builder that leaves the image with buildah; root runs it in a mount namespace of its own.

    Attributes:
        builder: the program.
        root: where the image's files are, once it is built.
        config: the image's, then.
    """

    builder: str
    root: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> None:
        run([self.builder, ROOT, TAG])

    def save(self, archive: Path) -> None:
        run(["buildah", "push", "--quiet", TAG, f"docker-archive:{archive}:{TAG}"])

    def command(self, program: str, config: Path | None, variables: Variables) -> list[str | Path]:
        steps = [
            f"mount --bind {self.root} {self.root}",
            *([f"mount --bind {config} {self.root}{CONFIG}"] if config else []),
            f"mount --options remount,bind,ro {self.root}",
            f"mount --bind /dev {self.root}/dev",
            f"mount --types proc proc {self.root}/proc",
            f'exec chroot {self.root} "$@"',
        ]
        privileges = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
        user, group = self.config["User"].split(":")
        nobody = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *privileges]
        environment = [*self.config["Env"], *(f"{name}={value}" for name, value in variables.items())]
        inside = [*nobody, "env", "--ignore-environment", f"--chdir={self.config['WorkingDir']}", *environment, program]
        return ["unshare", "--mount", "sh", "-ec", "\n".join(steps), "sh", *inside]


@dataclass(frozen=True)
class Image:
    """A built image.

    Attributes:
        engine: runs it.
        config: as the OCI image specification has it: User, Env, Entrypoint, Labels and so on.
        files: path → size of what its own layers, those over the base, hold or take away.
    """

    engine: Engine
    config: Mapping[str, Any]
    files: Mapping[str, int]

    def run(
        self, program: str, *arguments: str, config: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the image to its end."""
        command = [*self.engine.command(program, config, variables), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def run(command: Sequence[str | Path]) -> str:
    """Standard output of a command that ends well; what it has to say otherwise."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def docker_works() -> bool:
    """Whether there is a Docker that has its daemon."""
    return (
        bool(shutil.which("docker"))
        and not subprocess.run(["docker", "info"], check=False, capture_output=True).returncode
    )


def read(engine: Engine, directory: Path) -> Image:
    """What an engine has built."""
    saved = directory / "image.tar"
    engine.save(saved)
    with tarfile.open(saved) as archive:
        (manifest,) = json.load(member(archive, "manifest.json"))
        config = json.load(member(archive, manifest["Config"]))
        history = config["history"]
        # The Dockerfile's last stage begins with the argument; what comes before is the base's.
        own = next(at for at, step in enumerate(history) if "ARG VERSION" in step.get("created_by", ""))
        base = sum(not step.get("empty_layer") for step in history[:own])
        files = {}
        for name in manifest["Layers"][base:]:
            with tarfile.open(fileobj=member(archive, name)) as layer:
                files.update({f"/{entry.name}": entry.size for entry in layer if not entry.isdir()})
    saved.unlink()
    return Image(engine, config["config"], files)


def member(archive: tarfile.TarFile, name: str) -> Any:
    """A file in an archive."""
    found = archive.extractfile(name)
    assert found is not None
    return found
