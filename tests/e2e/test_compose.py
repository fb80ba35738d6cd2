"""The compose example is good: every file in it, by the checker of its own program, where its containers find it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parents[2] / "docs" / "examples" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((HERE / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def mounts(service: str) -> list[tuple[Path, str]]:
    """The files and folders of this repository that a container sees: where from, and where to."""
    volumes = (volume.split(":") for volume in SERVICES[service].get("volumes", ()))
    return [((HERE / source).resolve(), place) for source, place, *_ in volumes if source.startswith(".")]


def root_of(service: str, directory: Path) -> Path:
    """A copy of what a container sees of this repository, under a root of its own."""
    for source, place in mounts(service):
        copy = directory / place.removeprefix("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    return directory


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def check(*command: str | Path) -> str:
    """The output of a checker that finds no fault."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def prometheus(tmp_path: Path) -> Path:
    return root_of("prometheus", tmp_path) / "etc" / "prometheus" / "prometheus.yml"


@pytest.fixture
def grafana(tmp_path: Path) -> Path:
    return root_of("grafana", tmp_path)


def exporter_of_readme() -> dict[str, Any]:
    """The exporter's service as README.md wants it for a real account."""
    (block,) = re.findall(r"^```yaml\n(.+?)^```$", (HERE / "README.md").read_text(), flags=re.MULTILINE | re.DOTALL)
    service: dict[str, Any] = yaml.safe_load(block)["exporter"]
    return service


def test_compose_file_is_to_the_specification(tmp_path: Path) -> None:
    """compose.yaml is what the Compose Specification's schema wants, and so it is for a real account."""
    real = tmp_path / "compose.yaml"
    real.write_text(yaml.safe_dump(COMPOSE | {"services": SERVICES | {"exporter": exporter_of_readme()}}))
    check(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml", real)


def test_a_real_account_has_its_configuration() -> None:
    """The exporter is told of the file that is mounted, which is there."""
    service = exporter_of_readme()
    (source, place, _) = service["volumes"][0].split(":")
    assert service["command"] == [f"--config.file={place}"]
    assert (HERE / source).is_file()


def test_every_file_that_is_mounted_exists() -> None:
    """Docker would make an empty folder of each that does not; and there is something to build."""
    sources = [source for service in SERVICES for source, _ in mounts(service)]
    assert sources
    assert [source for source in sources if not source.exists()] == []
    assert (HERE / SERVICES["exporter"]["build"] / "Dockerfile").is_file()


def test_nobody_else_gets_in() -> None:
    """Every port is open to this machine only."""
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_prometheus(prometheus: Path) -> None:
    """Prometheus takes the configuration, and finds the rules where the container has them."""
    assert "SUCCESS: 1 rule files found" in check("promtool", "check", "config", prometheus)


def test_alertmanager(tmp_path: Path) -> None:
    """Alertmanager takes the configuration as it is, and with every receiver that it has in comments."""
    file = root_of("alertmanager", tmp_path) / "etc" / "alertmanager" / "alertmanager.yml"
    check("amtool", "check-config", file)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("    # ", "    "), encoding="utf-8")
    check("amtool", "check-config", file)
    (receiver,) = load(file)["receivers"]
    assert receiver.keys() == {"name", "slack_configs", "webhook_configs"}


def test_everybody_finds_the_next(prometheus: Path, grafana: Path) -> None:
    """Prometheus asks the exporter and tells Alertmanager, Grafana asks Prometheus: by service and port as they are."""
    config = load(prometheus)
    (scraped,) = config["scrape_configs"][0]["static_configs"][0]["targets"]
    (alertmanager,) = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    (source,) = load(grafana / "etc/grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    asked = [scraped, alertmanager, source["url"].removeprefix("http://")]
    published = {f"{name}:{port.rpartition(':')[2]}" for name, service in SERVICES.items() for port in service["ports"]}
    assert published.issuperset(asked)
    assert f"--web.listen-address=:{scraped.partition(':')[2]}" in SERVICES["exporter"]["command"]
    assert source["type"] == "prometheus"
    assert source["isDefault"] is True
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]


def test_grafana_finds_the_dashboards(grafana: Path) -> None:
    """Grafana reads every dashboard of the chart, and opens with one of them."""
    (provider,) = load(grafana / "etc/grafana/provisioning/dashboards/bedrock.yaml")["providers"]
    assert provider["type"] == "file"
    folder = grafana / provider["options"]["path"].removeprefix("/")
    titles = {file.name: json.loads(file.read_text(encoding="utf-8"))["title"] for file in folder.glob("*.json")}
    assert titles.keys() == {"overview.json", "job.json", "exporter.json"}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (grafana / home.removeprefix("/")).is_file()
