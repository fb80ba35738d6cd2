"""What the chart installs runs: its configuration, its flags, its test pod and its rules."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import helm_python
import pytest
import yaml
from chart import container, each_file, objects, one, render, workload
from e2e.processes import (
    PATIENCE,
    Exporter,
    clean_environment,
    fetch,
    logged,
    running,
    serving,
    simulated_aws,
    wait_for,
)
from runbooks import Runbook, aws_fault
from web.toolkit_files import Folder

from exporter import NAME, __version__
from exporter.simulator import Request, Response, Server, World, serve
from tools.helm import CHART, NAMESPACE, values_of

pytestmark = pytest.mark.e2e

ACCOUNT = "111122223333"
EPOCH = 1_790_000_000.0
MOUNT = f"/etc/{NAME}"
VALUES = {
    "config": {"poll": {"interval": "10s", "timeout": "9s"}, "targets": [{"regions": ["us-east-1"]}]},
    "reload": {"mode": "live"},
}


def kubelet(config: dict[str, str], place: Path) -> None:
    """Put the keys of a ConfigMap into a directory as a kubelet does: by a link that is exchanged in one go."""
    version = place / f"..{len(list(place.iterdir()))}"
    version.mkdir()
    for name, text in config.items():
        (version / name).write_text(text, encoding="utf-8")
        if not (place / name).is_symlink():
            (place / name).symlink_to(f"..data/{name}")
    (place / "..new").symlink_to(version.name)
    (place / "..new").rename(place / "..data")


def mounted(values: dict[str, Any], place: Path) -> list[str]:
    """Mount the ConfigMap of an install; the flags of its container, which look for it there."""
    place.mkdir(exist_ok=True)
    kubelet(one("ConfigMap", values)["data"], place)
    return [flag.replace(MOUNT, str(place)) for flag in container(values)["args"]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, Path]]:
    """The exporter as the chart starts it, before a simulated Bedrock, and the directory of its ConfigMap."""
    directory = tmp_path_factory.mktemp("installed")
    world = World(seed=1, epoch=EPOCH, accounts={ACCOUNT: ("us-east-1", "us-west-2")})
    with serve(world, now=lambda: EPOCH) as simulator:
        environment = clean_environment(directory, **simulated_aws(simulator.url))
        with serving(mounted(VALUES, directory / "config"), directory, environment) as exporter:
            yield exporter, directory / "config"


@each_file
def test_the_exporter_starts_with_it(file: Path, tmp_path: Path) -> None:
    """The exporter knows every flag of the container, and accepts the mounted configuration."""
    values = values_of(file)
    wanted = container(values)
    if values.get("existingConfigMap"):
        (tmp_path / "config.yaml").write_text("{}")
    else:
        kubelet(one("ConfigMap", values)["data"], tmp_path)
    variables = {each["name"]: each.get("value", "from-a-secret") for each in wanted.get("env", [])}
    flags = [flag.replace(MOUNT, str(tmp_path)) for flag in wanted["args"]]
    if "webConfig" in values:
        web_config(Path(f"{tmp_path}-web"))
    if workload(values) == "StatefulSet":
        flags.append("--shard.index=0")  # a pod's host name ends with it
    ended = subprocess.run(
        [sys.executable, "-m", "exporter", "--config.check", *flags],
        env=clean_environment(tmp_path, AWS_REGION="us-east-1", **variables),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_it_walks_and_serves(installed: tuple[Exporter, Path]) -> None:
    """The install watches its target, and answers its probes."""
    exporter, _ = installed
    page = exporter.metrics()[0].decode()
    assert f'bedrock_exporter_target_up{{aws_account_id="{ACCOUNT}",aws_region="us-east-1"}} 1' in page
    probed = {
        name: container(VALUES)[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert (probed["liveness"], probed["readiness"]) == ("/-/healthy", "/-/ready")
    for path in probed.values():
        fetch(exporter.url + path)


def test_it_reloads_what_the_kubelet_brings(installed: tuple[Exporter, Path]) -> None:
    """In the mode `live` a changed ConfigMap comes into use without a new process, at once on request."""
    exporter, directory = installed
    other = VALUES["config"] | {"targets": [{"regions": ["us-west-2"]}]}  # type: ignore[operator]
    kubelet(one("ConfigMap", VALUES | {"config": other})["data"], directory)
    urllib.request.urlopen(urllib.request.Request(f"{exporter.url}/-/reload", method="POST"), timeout=PATIENCE).close()
    up = f'bedrock_exporter_target_up{{aws_account_id="{ACCOUNT}",aws_region="us-west-2"}} 1'
    wait_for("the new target", lambda: up in exporter.metrics()[0].decode(), exporter.process)


def run_test_pod(url: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command of the pod of `helm test` against a URL, with no wait between its tries."""
    (pod,) = (each for each in objects(values or {}) if each["kind"] == "Pod")
    python, flag, script, own_url, guard = pod["spec"]["containers"][0]["command"]
    service = one("Service", {})
    assert python == "python3"
    assert (
        own_url
        == f"{url.partition(':')[0]}://{service['metadata']['name']}.{NAMESPACE}:{service['spec']['ports'][0]['port']}"
    )
    command = [sys.executable, flag, script.replace("patience = 270", "patience = 0"), url, guard]
    return subprocess.run(
        command, env=clean_environment(Path(os.devnull)), capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_helm_test_passes(installed: tuple[Exporter, Path]) -> None:
    """The pod of `helm test` finds a running exporter good, and prints the state of its targets."""
    ended = run_test_pod(installed[0].url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f'bedrock_exporter_target_up{{aws_account_id="{ACCOUNT}",aws_region=' in ended.stdout


def web_config(place: Path) -> None:
    """What the Secrets of `webConfig` hold, where the flags of a container look for it."""
    place.mkdir()
    Folder(place).write(
        "tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, "
        "client_auth_type: RequireAndVerifyClientCert}"
    )


@pytest.mark.parametrize(
    ("exempt", "said"),
    [
        (True, "is ready; its metrics want a password or certificate"),
        (False, "listens; it wants a password or certificate"),
    ],
)
def test_helm_test_passes_where_the_metrics_are_guarded(exempt: bool, said: str, tmp_path: Path) -> None:
    """It has neither password nor certificate, and says what it saw of the exporter."""
    values = {**VALUES, "webConfig": {"existingSecret": "web", "probesWithoutAuth": exempt}}
    flags = mounted(values, tmp_path / "config")
    web_config(tmp_path / "config-web")
    command = [sys.executable, "-m", "exporter", "--web.listen-address=127.0.0.1:0", *flags]
    with (
        serve(World(seed=1, epoch=EPOCH, accounts={ACCOUNT: ("us-east-1",)}), now=lambda: EPOCH) as simulator,
        running(command, tmp_path, clean_environment(tmp_path, **simulated_aws(simulator.url))) as process,
    ):
        url = "https://" + logged(tmp_path, r"msg=listening address=(\S+)", process)
        ended = wait_for("a good test", lambda: passed(run_test_pod(url, values)))
    assert ended.stdout == f"{url}: {said}\n"


def passed(ended: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str] | None:
    return ended if ended.returncode == 0 else None


def not_ready(request: Request) -> Response:
    return Response(503 if request.path == "/-/ready" else 200, b"bedrock_exporter_build_info{} 1\n")


@pytest.mark.parametrize(
    ("respond", "wanted"),
    [(not_ready, "503"), (lambda _: Response(200, b"<html>"), "is not the exporter's")],
    ids=["not-ready", "somebody-else"],
)
def test_helm_test_fails(respond: Any, wanted: str) -> None:
    """An exporter that is not ready, or that is none, fails the test, and the log says why."""
    with Server(respond) as server:
        ended = run_test_pod(server.url)
    assert ended.returncode == 1
    assert wanted in ended.stderr


@pytest.mark.parametrize("name", ["default", "full", "prometheus-rule"])
def test_promtool_takes_the_rules(name: str, tmp_path: Path) -> None:
    """`promtool check rules` finds nothing in what is rendered, with no value of the alerts changed and with all."""
    values = values_of(CHART / "ci" / f"{name}-values.yaml")
    values.setdefault("prometheusRule", {})["enabled"] = True
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(one("PrometheusRule", values)["spec"]), encoding="utf-8")
    ended = subprocess.run(
        ["promtool", "check", "rules", "rules.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "SUCCESS" in ended.stdout


def test_package(tmp_path: Path) -> None:
    """The packaged chart has all that it renders, and not the values of the tests."""
    archive = Path(helm_python.package(CHART, destination=tmp_path))
    assert archive.name == f"{NAME}-{__version__}.tgz"
    helm_python.expand(tmp_path, archive)
    inside = {str(path.relative_to(tmp_path / NAME)) for path in (tmp_path / NAME).rglob("*") if path.is_file()}
    assert {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", "templates/_rules.tpl"} < inside
    assert {name for name in inside if name.startswith(("ci/", "."))} <= {".helmignore"}
    values = values_of(CHART / "ci" / "full-values.yaml")
    assert render(values, chart=archive) == render(values)


EKS = Runbook(Path(__file__).parents[2] / "docs" / "eks.md")


def test_aws_commands_exist() -> None:
    """The AWS CLI knows every command of docs/eks.md and its options; `update-kubeconfig` is the CLI's own."""
    commands = [words for words in EKS.commands("aws") if words[2] != "update-kubeconfig"]
    assert len(commands) > 8
    session = botocore.session.get_session()
    assert {" ".join(words): fault for words in commands if (fault := aws_fault(words, session))} == {}


def test_policies_are_filled_in(tmp_path: Path) -> None:
    """What docs/eks.md makes of the policies has the reader's account, region, cluster and issuer in place of ours."""
    (tmp_path / "docs").symlink_to(EKS.path.parent)
    environment = {
        "ACCOUNT": "999988887777",
        "AWS_REGION": "eu-west-3",
        "CLUSTER": "prod",
        "ISSUER": "https://oidc.eks.eu-west-3.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
    }
    lines = re.findall(r"(?m)^sed (?:.*\\\n)*.*$", EKS.text)
    assert len(lines) == 3
    made = ""
    for line in lines:
        subprocess.run(["bash", "-euc", line], cwd=tmp_path, env={**os.environ, **environment}, check=True)
        policy = (tmp_path / line.rpartition("> ")[2]).read_text(encoding="utf-8")
        assert json.loads(policy)["Version"] == "2012-10-17"
        made += policy
    assert not re.search(r"111122223333|us-east-1|operations|EXAMPLE", made)
    assert made.count(environment["ISSUER"].removeprefix("https://")) == 3
    assert "arn:aws:eks:eu-west-3:999988887777:cluster/prod" in made
