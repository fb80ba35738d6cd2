"""The Helm chart, rendered by Helm itself: what comes out is good, and what is wrong is refused."""

import copy
import dataclasses
import functools
import itertools
import json
import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python as helm
import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from chart import CHART, CI, NAMESPACE, RELEASE, Object, container, lint, objects, one, pod_templates, render, values_of
from kubernetes_validate import utils  # type: ignore[import-untyped]
from test_config import read

from exporter import NAME, __version__, config
from exporter.cli import _parser

pytestmark = pytest.mark.e2e  # every test renders with Helm

ROOT = CHART.parent
CRDS = Path(__file__).parent / "data" / "chart" / "crds"
MINORS = ("1.27", "1.32", "1.37")
"""Kubernetes versions: the oldest that Chart.yaml allows, the newest that the schemas are at hand for, one between."""

FULL = values_of(CHART / "ci" / "full-values.yaml")
each_file = pytest.mark.parametrize("file", CI, ids=lambda file: file.name.removesuffix("-values.yaml"))

utils.schema_contents = functools.cache(utils.schema_contents)  # it reads megabytes for every object


# What is written by hand, and what follows from it


@pytest.fixture(scope="module")
def built() -> dict[Path, str]:
    """What `make docs` writes in and beside the chart."""
    files: dict[Path, str] = runpy.run_path(str(ROOT / "docs" / "build_chart.py"))["build"]()
    return files


def test_generated_files_are_up_to_date(built: dict[Path, str]) -> None:
    """The table of values, the schema, manifests and what is rendered for the default and the full install."""
    assert len(built) == 7
    for path, text in built.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.relative_to(ROOT)} is out of date: make docs"


def test_one_version() -> None:
    """The chart, what it installs, and the package are of one version."""
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (about["name"], about["version"], about["appVersion"]) == (NAME, __version__, __version__)
    assert container({})["image"].rpartition(":")[2] == __version__


def keys(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of every key that a schema lists, without what is defined elsewhere."""
    for name, about in schema["properties"].items():
        yield path + name
        if "properties" in about:
            yield from keys(about, f"{path}{name}.")


def test_the_schema_has_every_value(built: dict[Path, str]) -> None:
    """The schema lists what values.yaml does, and nothing else but what a parent chart sets."""
    schema = json.loads(built[CHART / "values.schema.json"])
    documented = {
        name
        for row in re.findall(r"(?m)^\| `([\w.]+)` \|", built[CHART / "README.md"])
        for name in [row, *itertools.accumulate(row.split(".")[:-1], "{}.{}".format)]
    }
    listed = {name for name in keys(schema) if not name.startswith("config.")}
    assert listed - documented == {"enabled"}
    assert documented - listed == set()


def test_every_mapping_of_the_schema_is_closed() -> None:
    """A schema lists its keys and refuses others, but where it leaves all to Kubernetes or takes any name."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    todo: list[Any] = [schema]
    closed = 0
    while todo:
        about = todo.pop()
        if isinstance(about, dict) and "properties" in about and isinstance(about["properties"], dict):
            if about is schema["properties"]["global"]:
                continue  # other charts read it, too
            assert about["additionalProperties"] is False, about
            closed += 1
        todo += about.values() if isinstance(about, dict) else about if isinstance(about, list) else []
    assert closed > 20


def test_the_recommended_resources_do() -> None:
    """What values.yaml recommends is enough for what it says, by the figures of the benchmark and a quarter over."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    limit = int(re.findall(r"(?m)^#  limits: \{memory: (\d+)Mi\}$", text)[0])
    cpu, request = map(int, re.findall(r"(?m)^#  requests: \{cpu: (\d+)m, memory: (\d+)Mi\}$", text)[0])
    assert (
        f"{cpu}m CPU and {request}Mi, with a limit of {limit}Mi, does\n# for 100,000 jobs or 200 targets; add 1Mi"
        in text
    )
    measured = json.loads((ROOT / "docs" / "performance.json").read_text(encoding="utf-8"))
    rows = {row["row"]: row["ours"] for row in measured["rows"]}
    peak = {jobs: max(seen["peak"] for seen in measured["seen"][f"walk {jobs}"]) for jobs in (1_000, 100_000)}
    megabytes = limit * 2**20 / 1e6 / 1.25
    assert peak[100_000] < megabytes
    assert peak[1_000] + 200 * rows["targets-memory"] < megabytes
    assert rows["targets-memory"] * 1.25 < 2**20 / 1e6
    assert peak[1_000] < request * 2**20 / 1e6
    assert rows["targets-round"] / 100 * 1000 * 200 / 1000 < cpu  # percent of a core for 1,000 targets → for 200


# Good values


@each_file
def test_lint(file: Path) -> None:
    """`helm lint --strict` has nothing to say."""
    assert lint(values_of(file)) == []


def check_shape(rendered: Object, minor: str) -> None:
    """Raise if an object is not what this version of Kubernetes, or its CRD, takes."""
    crd = CRDS / f"{rendered['kind']}.json"
    if crd.exists():
        jsonschema.validate(rendered, json.loads(crd.read_text(encoding="utf-8")))
    else:
        utils.validate(rendered, minor, strict=True)


@pytest.mark.parametrize("minor", MINORS)
@each_file
def test_objects_are_valid(file: Path, minor: str) -> None:
    """Every object is what three versions of Kubernetes take, unknown fields refused."""
    rendered = objects(values_of(file))
    names = {(one["kind"], one["metadata"]["name"]) for one in rendered}
    assert len(names) == len(rendered) >= 4
    for each in rendered:
        check_shape(each, minor)


def test_the_shapes_refuse_what_is_wrong() -> None:
    """The schemas look at every field: one that does not exist is refused in a Deployment and in a ServiceMonitor."""
    for kind in ("Deployment", "ServiceMonitor"):
        good = one(kind, {"serviceMonitor": {"enabled": True}})
        with pytest.raises((utils.ValidationError, jsonschema.ValidationError)):
            check_shape({**good, "spec": {**good["spec"], "replicsa": 1}}, MINORS[-1])


def test_default_install() -> None:
    """Everything optional is off."""
    assert sorted(one["kind"] for one in objects({})) == ["ConfigMap", "Deployment", "Pod", "Service", "ServiceAccount"]


def loaded(rendered: list[Object]) -> Iterator[config.Config]:
    """The configurations in ConfigMaps, read as the exporter reads them."""
    for each in rendered:
        if each["kind"] == "ConfigMap" and "config.yaml" in each["data"]:
            yield config.load(
                each["data"]["config.yaml"],
                file="config.yaml",
                environ={"EXTERNAL_ID": "exporter", "CONCURRENCY": "16"},
                default_region=lambda _: "us-east-1",
            )


@each_file
def test_the_exporter_takes_the_configuration(file: Path) -> None:
    """`config` arrives as it was meant, large numbers and dates too."""
    values = values_of(file)
    found = list(loaded(objects(values)))
    assert len(found) == (0 if values.get("existingConfigMap") else 1)
    if file.name == "full-values.yaml":
        assert found[0].budget.max_jobs == 2_000_000
        assert found[0].targets[2].job_filter.created_after == 1_767_225_600


GOOD = sorted((Path(__file__).parent / "data" / "config").glob("*.ok.yaml"))


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name.removesuffix(".ok.yaml"))
def test_every_good_configuration_arrives_as_it_is(file: Path) -> None:
    """What the exporter takes as a file, the chart takes as `config`, and the ConfigMap says the same.

    Helm has a YAML reader and writer of its own: dates, numbers and quoted text are what could go wrong.
    """
    straight = read(file.read_text(encoding="utf-8"))
    through = read(one("ConfigMap", {"config": values_of(file)})["data"]["config.yaml"])
    assert dataclasses.replace(through, digest="") == dataclasses.replace(straight, digest="")


BEYOND_THE_SCHEMA = {
    "account-of-role",
    "discovery-no-region",
    "discovery-regions",
    "double-key",
    "duplicate-targets",
    "environment",
    "key-not-text",
    "no-region-for-profile",
    "stale-after",
}
"""Bad configurations that Helm lets pass: a schema sees one value at a time, neither environment nor text of a file."""


def test_bad_configurations_are_refused_before_they_are_installed() -> None:
    """What the exporter would refuse, the schema does, but for faults that no schema can see."""
    passed = set()
    for file in (Path(__file__).parent / "data" / "config").glob("*.bad.yaml"):
        try:
            values = values_of(file)
        except helm.HelmError:  # no YAML, or nothing that JSON could hold
            continue
        try:
            render({"config": values})
            passed.add(file.name.removesuffix(".bad.yaml"))
        except helm.HelmValuesError:
            pass
    assert passed == BEYOND_THE_SCHEMA


def paths(values: Object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of values, and those below it."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


DEFAULTS = values_of(CHART / "values.yaml")
FOR_KUBERNETES = {"podSecurityContext", "securityContext", "strategy"}


def check_without(values: Object, path: tuple[str, ...]) -> None:
    """Set a key to null: the chart's default for it is gone, and the schema says so or valid objects come out."""
    changed = copy.deepcopy(values)
    section = functools.reduce(lambda mapping, key: mapping.setdefault(key, {}), path[:-1], changed)
    section[path[-1]] = None
    try:
        rendered = objects(changed)
    except helm.HelmValuesError as error:
        assert f"missing property '{path[-1]}'" in str(error)  # noqa: PT017 - it may also be good
        return
    for each in rendered:
        check_shape(each, MINORS[-1])


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_key_may_be_null(key: str) -> None:
    """`config:` with all below it commented out is null, and Helm then deletes the chart's default."""
    check_without({}, (key,))


@pytest.mark.parametrize(
    "path", [path for path in paths(DEFAULTS) if path[0] not in FOR_KUBERNETES or not path[1:]], ids=".".join
)
def test_any_key_may_be_null(path: tuple[str, ...]) -> None:
    """The same at every depth, with everything on."""
    check_without(FULL, path)


def test_what_a_parent_chart_sets() -> None:
    """`global`, and `enabled` for its condition, are not unknown keys."""
    assert render({"global": {"anything": 1}, "enabled": True}) == render({})


# Security


VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def breaches(pod: Object) -> list[str]:
    """What of a pod breaks the Pod Security Standard `restricted`, baseline included.

    Field by field as of https://kubernetes.io/docs/concepts/security/pod-security-standards/, and one more: the root
    file system is read-only.
    """
    spec, found = pod["spec"], []
    outer = spec.get("securityContext", {})
    found += [name for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if spec.get(name)]
    found += [
        f"volume {volume['name']}" for volume in spec.get("volumes", []) if not volume.keys() - {"name"} <= VOLUMES
    ]
    found += [name for name in ("sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile") if name in outer]
    for each in [each for kind in ("initContainers", "containers") for each in spec.get(kind, [])]:
        own = each.get("securityContext", {})
        both = {**outer, **own}
        seccomp = both.get("seccompProfile", {}).get("type")
        capabilities = own.get("capabilities", {})
        wrong = {
            "hostPort": any(port.get("hostPort") for port in each.get("ports", [])),
            "probe host": any("host" in each[name]["httpGet"] for name in each if name.endswith("Probe")),
            "lifecycle host": any(
                "host" in action for hook in each.get("lifecycle", {}).values() for action in hook.values()
            ),
            "privileged": own.get("privileged"),
            "procMount": "procMount" in own,
            "seLinuxOptions": "seLinuxOptions" in own,
            "windowsOptions": "windowsOptions" in own,
            "appArmorProfile": "appArmorProfile" in own,
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is not False,
            "runAsNonRoot": both.get("runAsNonRoot") is not True,
            "runAsUser": both.get("runAsUser") == 0,
            "seccompProfile": seccomp not in {"RuntimeDefault", "Localhost"},
            "capabilities.drop": capabilities.get("drop") != ["ALL"],
            "capabilities.add": not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is not True,
        }
        found += [name for name, is_wrong in wrong.items() if is_wrong]
    return found


@each_file
def test_pod_security_restricted(file: Path) -> None:
    """Every pod, that of `helm test` too, satisfies `restricted`, and has no token of the Kubernetes API."""
    templates = list(pod_templates(objects(values_of(file))))
    assert len(templates) == 2
    for pod in templates:
        assert breaches(pod) == []
        assert pod["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
        ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
        ({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccompProfile"),
        ({"podSecurityContext": {"sysctls": []}}, "sysctls"),
        ({"securityContext": {"allowPrivilegeEscalation": True}}, "allowPrivilegeEscalation"),
        ({"securityContext": {"readOnlyRootFilesystem": False}}, "readOnlyRootFilesystem"),
        ({"securityContext": {"privileged": True}}, "privileged"),
        ({"securityContext": {"capabilities": {"drop": []}}}, "capabilities.drop"),
        ({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "capabilities.add"),
        ({"lifecycle": {"preStop": {"httpGet": {"host": "example.com", "port": 80}}}}, "lifecycle host"),
        ({"extraContainers": [{"name": "bare"}]}, "capabilities.drop"),
        ({"extraInitContainers": [{"name": "bare"}]}, "allowPrivilegeEscalation"),
        ({"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]}, "volume host"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_breaches_are_seen(values: dict[str, Any], wanted: str) -> None:
    """The check above finds each breach that values can make."""
    assert any(wanted in breaches(pod) for pod in pod_templates(objects(values)))


def test_openshift_chooses_the_user() -> None:
    """Where the platform gives each namespace its users, none is set."""
    for pod in pod_templates(objects(values_of(CHART / "ci" / "openshift-values.yaml"))):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & pod["spec"]["securityContext"].keys()


def test_openshift_below_a_parent_chart() -> None:
    """The switch takes away what the values set, in the container's context, too: a parent's null would be lost."""
    values = {"openshift": {"enabled": True}, "securityContext": {"runAsUser": 1, "runAsGroup": 1}}
    for pod in pod_templates(objects(values)):
        assert pod["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for each in pod["spec"]["containers"]:
            assert each["securityContext"].keys() == DEFAULTS["securityContext"].keys()


# Upgrades


POD = {
    "app.kubernetes.io/name": NAME,
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/component": "exporter",
}
FULLNAME = f"{RELEASE}-{NAME}"
STAYS: dict[tuple[str, str], Object] = {
    ("Service", FULLNAME): {"selector": POD},
    ("Service", f"{FULLNAME}-headless"): {"selector": POD, "clusterIP": "None"},
    ("Deployment", FULLNAME): {"selector": {"matchLabels": POD}},
    ("StatefulSet", FULLNAME): {
        "selector": {"matchLabels": POD},
        "serviceName": f"{FULLNAME}-headless",
        "podManagementPolicy": "Parallel",
    },
}
"""What releases are installed with, and Kubernetes refuses to change: written out, as the templates must not either."""


def lasting(rendered: list[Object]) -> dict[tuple[str, str], Object]:
    """What of objects can't be changed at an upgrade, or selects pods."""
    fields = {"selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates", "clusterIP"}
    return {
        (one["kind"], one["metadata"]["name"]): {name: one["spec"][name] for name in fields & one["spec"].keys()}
        for one in rendered
        if one["kind"] in {"Deployment", "StatefulSet", "Service"}
    }


def test_upgrades_keep_what_cannot_be_changed(tmp_path: Path) -> None:
    """It is what it was at the first release, whatever the version and the values."""
    newer = shutil.copytree(CHART, tmp_path / "helm")
    about = (newer / "Chart.yaml").read_text(encoding="utf-8")
    (newer / "Chart.yaml").write_text(
        re.sub(r'(?m)^(version: |appVersion: ")[^"\n]*', r"\g<1>9.8.7", about), encoding="utf-8"
    )
    changed = {key: value for key, value in FULL.items() if key != "shards"}
    for values, without in (({}, {"StatefulSet", f"{FULLNAME}-headless"}), ({"shards": 2}, {"Deployment"})):
        wanted = {key: fields for key, fields in STAYS.items() if without.isdisjoint(key)}
        assert "9.8.7" in str(objects(values, chart=newer))
        assert lasting(objects(values)) == wanted
        assert lasting(objects({**changed, **values}, chart=newer)) == wanted


@pytest.fixture(scope="module")
def reused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as `helm upgrade --reuse-values` sees it: the defaults are those of an older chart."""
    chart = shutil.copytree(CHART, tmp_path_factory.mktemp("reused") / "helm")
    older = (CHART.parent / "tests" / "data" / "chart" / "values-before.yaml").read_text(encoding="utf-8")
    assert values_of(CHART / "values.yaml").keys() - yaml.safe_load(older).keys() > {
        "openshift",
        "configMap",
        "ingress",
    }
    (chart / "values.yaml").write_text(older, encoding="utf-8")
    return chart


@each_file
def test_upgrades_that_reuse_values(file: Path, reused: Path) -> None:
    """Without the keys that have come since, the same is rendered as with their defaults."""
    assert render(values_of(file), chart=reused) == render(values_of(file))


def test_selectors_select_the_pods() -> None:
    """A Service, a monitor, a policy and a budget select the exporter's pods, and not that of `helm test`."""
    rendered = objects({**FULL, "podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": False}})
    labels = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["labels"]
        for pod in pod_templates(rendered)
    }
    wanted = [
        each["spec"].get("selector", each["spec"].get("podSelector"))
        for each in rendered
        if each["kind"] in {"Service", "PodMonitor", "NetworkPolicy", "PodDisruptionBudget", "StatefulSet"}
    ]
    assert len(wanted) == 6
    for selector in wanted:
        match = selector.get("matchLabels", selector).items()
        assert match <= labels["exporter"].items()
        assert not match <= labels["test"].items()


@pytest.mark.parametrize("shards", [1, 3])
def test_the_service_monitor_finds_each_pod_once(shards: int) -> None:
    """It selects the one Service, not that which gives shards their names, and a port that there is."""
    values = {"shards": shards, "serviceMonitor": {"enabled": True}, "service": {"port": 80}}
    monitor = one("ServiceMonitor", values)["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = (
        each for each in objects(values) if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()
    )
    assert [endpoint["port"] for endpoint in monitor["endpoints"]] == [
        port["name"] for port in service["spec"]["ports"]
    ]
    assert monitor["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    ports = {port["name"] for port in container(values, "Deployment" if shards == 1 else "StatefulSet")["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_the_network_policy_lets_helm_test_in() -> None:
    """Whoever else may not scrape, the pod of `helm test` may."""
    values = {
        "networkPolicy": {"enabled": True, "ingressFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]}
    }
    (rule,) = one("NetworkPolicy", values)["spec"]["ingress"]
    (pod,) = (each for each in objects(values) if each["kind"] == "Pod")
    selectors_ = [peer["podSelector"]["matchLabels"].items() for peer in rule["from"]]
    assert [selector <= pod["metadata"]["labels"].items() for selector in selectors_] == [False, True]


def egress(values: Object) -> dict[int, Object]:
    """The rules for what goes out, by their first port."""
    rules_ = one("NetworkPolicy", {"networkPolicy": {"enabled": True, **values}})["spec"]["egress"]
    return {rule["ports"][0]["port"]: rule for rule in rules_}


def test_the_network_policy_lets_names_be_resolved() -> None:
    """On port 5353, too: a network that looks at packets behind the Service sees the port of OpenShift's DNS pods."""
    ports = {(port["port"], port["protocol"]) for port in egress({})[53]["ports"]}
    assert ports == {(53, "UDP"), (53, "TCP"), (5353, "UDP"), (5353, "TCP")}


def test_the_network_policy_can_be_narrowed() -> None:
    """Anywhere, unless peers are named."""
    peers = [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    for key, port in (("dnsTo", 53), ("httpsTo", 443)):
        assert "to" not in egress({})[port]
        assert {port: rule.get("to") for port, rule in egress({key: peers}).items()} == {
            port: rule.get("to") for port, rule in egress({}).items()
        } | {port: peers}


def test_a_newer_chart_alone_replaces_no_pods() -> None:
    """Its version is not in their labels, and all else in their template comes from the values."""
    for pod in ({}, FULL):
        (template,) = (each["spec"]["template"] for each in objects(pod) if "template" in each.get("spec", {}))
        assert "helm.sh/chart" not in template["metadata"]["labels"]


def test_a_release_name_that_starts_with_a_digit() -> None:
    """A Service's name may not: API servers refuse it."""
    for name in ("1234", "7-of-nine", f"2-{NAME}"):
        services = [each["metadata"]["name"] for each in objects({"shards": 2}, name=name) if each["kind"] == "Service"]
        assert len(services) == 2
        for service in services:
            assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", service)
            assert service.startswith(f"r-{name}")


# Features


def test_the_network_policy_lets_in_what_it_is_told_to() -> None:
    """Further rules stand beside that for scrapes, which stays as it was."""
    values = values_of(CHART / "ci" / "network-policy-values.yaml")
    more = values["networkPolicy"]["extraIngress"]
    without = {**values["networkPolicy"], "extraIngress": []}
    scrapes = one("NetworkPolicy", {"networkPolicy": without})["spec"]["ingress"]
    assert one("NetworkPolicy", values)["spec"]["ingress"] == [*scrapes, *more]


def test_ip_families() -> None:
    """Both Services of a sharded install have them, and neither unless they are set."""
    for values, wanted in (({"shards": 2}, {}), (values_of(CHART / "ci" / "dual-stack-values.yaml"), None)):
        services = [each["spec"] for each in objects(values) if each["kind"] == "Service"]
        assert len(services) == 2
        for spec in services:
            found = {name: spec[name] for name in ("ipFamilies", "ipFamilyPolicy") if name in spec}
            assert found == (values["service"] if wanted is None else wanted)


def test_ingress() -> None:
    """It leads to the Service, by a port that it has, and everything under a host where no path is named."""
    values = values_of(CHART / "ci" / "ingress-values.yaml")
    spec = one("Ingress", values)["spec"]
    backend = {"service": {"name": one("Service", values)["metadata"]["name"], "port": {"name": "http"}}}
    first, second = spec["rules"]
    metrics = {"path": "/metrics", "pathType": "Exact", "backend": backend}
    assert first == {"host": "bedrock-exporter.example.com", "http": {"paths": [metrics]}}
    everything = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    assert second == {"host": "bedrock.example.com", **everything}
    assert (spec["ingressClassName"], spec["tls"]) == ("nginx", values["ingress"]["tls"])
    assert one("Ingress", {"ingress": {"enabled": True}})["spec"] == {"rules": [everything]}


def test_metadata() -> None:
    """Each object has the annotations of all and its own, and its own labels; all are in the namespace."""
    rendered = objects(values_of(CHART / "ci" / "metadata-values.yaml"))
    found = {each["kind"]: each["metadata"] for each in rendered}
    for kind, about in found.items():
        assert about["namespace"] == "bedrock"
        assert about["labels"]["team"] == "platform"
        assert about["annotations"]["example.com/owner"] == ("ml" if kind == "Service" else "sre")
    tiers = {kind for kind, about in found.items() if about["labels"].get("tier") == "monitoring"}
    assert tiers == {"Deployment", "Service", "ConfigMap"}
    assert found["Deployment"]["annotations"]["reloader.stakater.com/auto"] == "true"
    assert found["ConfigMap"]["annotations"]["example.com/reviewed"] == "yes"
    (monitor,) = (each for each in rendered if each["kind"] == "ServiceMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["bedrock"]}
    (pod,) = (each for each in rendered if each["kind"] == "Pod")
    assert pod["spec"]["containers"][0]["command"][-1] == f"http://{FULLNAME}.bedrock:9848"


def test_the_pod_of_helm_test_is_like_the_exporters() -> None:
    """Where only some pods may run, it may: labels, annotations, account, place and class are theirs."""
    values = values_of(CHART / "ci" / "scheduling-values.yaml") | {
        "podLabels": {"allowed": "yes", "app.kubernetes.io/component": "exporter"},
        "podAnnotations": {"sidecar.istio.io/inject": "false", "helm.sh/hook": "post-install"},
    }
    exporter, test = pod_templates(objects(values))
    for name in ("serviceAccountName", "affinity", "priorityClassName", "nodeSelector", "tolerations"):
        assert test["spec"][name] == exporter["spec"][name]
    assert (
        test["metadata"]["labels"].items() >= {**POD, "app.kubernetes.io/component": "test", "allowed": "yes"}.items()
    )
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert test["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


@pytest.mark.parametrize(
    ("image", "parent", "wanted"),
    [
        ({}, {}, f"ghcr.io/{NAME}/{NAME}"),
        ({"registry": "mirror.example.com/ghcr"}, {}, f"mirror.example.com/ghcr/{NAME}/{NAME}"),
        ({"registry": "a.example.com"}, {"imageRegistry": "b.example.com:5000/"}, f"b.example.com:5000/{NAME}/{NAME}"),
        ({"repository": "team/exporter"}, {"imageRegistry": "b.example.com"}, "b.example.com/team/exporter"),
        ({"repository": "localhost/exporter"}, {"imageRegistry": "b.example.com"}, "b.example.com/exporter"),
        ({"repository": "exporter"}, {}, "exporter"),
    ],
)
def test_registry(image: Object, parent: Object, wanted: str) -> None:
    """A registry stands instead of the repository's own, a parent chart's before ours, in both pods."""
    for pod in pod_templates(objects({"image": image, "global": parent})):
        assert [each["image"] for each in pod["spec"]["containers"]] == [f"{wanted}:{__version__}"]


def test_pull_secrets_of_a_parent_chart() -> None:
    """They stand beside ours, each once, and may be names."""
    for pod in pod_templates(objects(values_of(CHART / "ci" / "global-values.yaml"))):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "own"}, {"name": "parent"}]


def test_recreate_has_no_rolling_update() -> None:
    """API servers refuse a Deployment with both; the default's `rollingUpdate` goes by itself."""
    assert one("Deployment", {"strategy": {"type": "Recreate"}})["spec"]["strategy"] == {"type": "Recreate"}
    assert one("Deployment", {})["spec"]["strategy"] == DEFAULTS["strategy"]


def test_releases_of_one_name_share_a_namespace() -> None:
    """What two of them put into a common namespace has names of its own; in the release's it keeps the plain ones."""
    values = values_of(CHART / "ci" / "common-namespace-values.yaml")
    names = [
        {
            (each["kind"], each["metadata"]["name"])
            for each in objects({**values, **monitor}, namespace=namespace)
            if each["metadata"]["namespace"] == "observability"
        }
        for namespace in ("prod", "dev")
        for monitor in ({}, {"podMonitor": {}, "serviceMonitor": values["podMonitor"]})
    ]
    assert [len(found) for found in names] == [8, 8, 8, 8]
    assert not (names[0] | names[1]) & (names[2] | names[3])
    at_home = objects(values, namespace="observability")
    assert {each["metadata"]["name"] for each in at_home if each["kind"] == "PodMonitor"} == {FULLNAME}


@pytest.mark.parametrize("value", [1, 2_000_000, 0.5, True, "1", "a: b", ""], ids=str)
def test_environment_variables_are_texts(value: Any) -> None:
    """`--set extraEnv[0].value=1` gives a number, which API servers refuse."""
    (variable,) = container({"extraEnv": [{"name": "A", "value": value}]})["env"]
    assert variable == {"name": "A", "value": value if isinstance(value, str) else json.dumps(value)}


def test_a_topology_constraint_keeps_its_own_selector() -> None:
    """Only one that has none gets that of the exporter's pods."""
    bare = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    own = {**bare, "labelSelector": {"matchLabels": {"team": "ml"}}}
    spec = one("Deployment", {"topologySpreadConstraints": [bare, own]})["spec"]["template"]["spec"]
    assert spec["topologySpreadConstraints"] == [{**bare, "labelSelector": {"matchLabels": POD}}, own]


def test_labels_nearer_to_an_object_win() -> None:
    """The chart's own over those of the object, these over those of all objects."""
    common = {"team": "platform", "tier": "common", "app.kubernetes.io/name": "other", "empty": ""}
    values = {
        "commonLabels": common,
        "podLabels": {"team": "ml", "app.kubernetes.io/component": "other"},
        "serviceMonitor": {"enabled": True, "labels": {"team": "sre"}},
    }
    pod = one("Deployment", values)["spec"]["template"]["metadata"]["labels"]
    assert pod.items() >= {**POD, "team": "ml", "tier": "common", "empty": ""}.items()
    assert one("ServiceMonitor", values)["metadata"]["labels"]["team"] == "sre"
    assert one("Service", values)["metadata"]["labels"].items() >= common.items() - {
        ("app.kubernetes.io/name", "other")
    }


def test_names_that_yaml_takes_for_something_else() -> None:
    """A release called 1234, or a name such as `null`, is text all the same."""
    values = {
        "fullnameOverride": "null",
        "nameOverride": "true",
        "priorityClassName": "1234",
        "serviceAccount": {"name": "no"},
    }
    rendered = objects({**FULL, **values, "shards": 2}, name="1234")
    for each in rendered:
        check_shape(each, MINORS[-1])
    (spec,) = (each["spec"]["template"]["spec"] for each in rendered if each["kind"] == "StatefulSet")
    assert (spec["serviceAccountName"], spec["priorityClassName"]) == ("no", "1234")


def test_the_pod_of_helm_test_has_resources() -> None:
    """A quota on the namespace would refuse a pod without."""
    resources = {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}}
    for pod in pod_templates(objects({"resources": resources})):
        assert [each["resources"] for each in pod["spec"]["containers"]] == [resources]


def test_the_pod_of_helm_test_is_patient() -> None:
    """It waits longer than the startup probe lets a first walk take, and less than the five minutes of `helm test`."""
    (pod,) = (each for each in objects({}) if each["kind"] == "Pod")
    (patience,) = map(int, re.findall(r"patience = (\d+)", pod["spec"]["containers"][0]["command"][2]))
    probe = DEFAULTS["startupProbe"]
    assert 2 * probe["periodSeconds"] * probe["failureThreshold"] < patience < 300


def test_flags_that_the_chart_relies_on_are_refused() -> None:
    """Another port or path would leave probes and monitors behind: all flags of the exporter are the chart's own."""
    flags = {flag for action in _parser()._actions for flag in action.option_strings if flag.startswith("--")}
    assert len(flags) > 10
    for flag in flags:
        with pytest.raises(helm.HelmValuesError):
            render({"extraArgs": [f"{flag}=1"]})
    assert container({"extraArgs": ["--of-a-newer-image"]})["args"][-1] == "--of-a-newer-image"


def checksum(values: dict[str, Any]) -> str | None:
    annotations = one("Deployment", values)["spec"]["template"]["metadata"].get("annotations", {})
    found: str | None = annotations.get("checksum/config")
    return found


def test_a_change_of_config_rolls() -> None:
    """The pods carry the configuration's checksum, unless the exporter reloads by itself."""
    other = {"config": {"poll": {"interval": "2m"}}}
    assert checksum({}) is not None
    assert checksum({}) == checksum({"podLabels": {"a": "b"}}) != checksum(other)
    live = {"reload": {"mode": "live"}}
    assert checksum(live) is None
    assert container(live)["args"][-2:] == ["--web.enable-lifecycle", "--config.auto-reload-interval=30s"]
    assert not any("lifecycle" in flag for flag in container({})["args"])


def test_config_is_mounted_as_a_directory() -> None:
    """A file mounted by itself would never show a change."""
    (mount,) = container({})["volumeMounts"]
    assert mount == {"name": "config", "mountPath": f"/etc/{NAME}", "readOnly": True}


def test_shards_are_a_stateful_set() -> None:
    """Each pod finds its index in its name; they start together."""
    stateful = one("StatefulSet", {"shards": 4})
    assert stateful["spec"]["replicas"] == 4
    assert stateful["spec"]["podManagementPolicy"] == "Parallel"
    assert "--shard.total=4" in container({"shards": 4}, "StatefulSet")["args"]
    kinds = [each["kind"] for each in objects({"shards": 4})]
    assert "Deployment" not in kinds
    (headless,) = (
        each for each in objects({"shards": 4}) if each["metadata"]["name"] == stateful["spec"]["serviceName"]
    )
    assert headless["spec"]["clusterIP"] == "None"


def test_image_by_digest() -> None:
    """A digest wins over a tag."""
    digest = "sha256:" + "0" * 64
    assert container({"image": {"digest": digest, "tag": "1"}})["image"].endswith(f"exporter@{digest}")


def test_containers_beside_the_exporter() -> None:
    """They come after it, so that `kubectl exec` finds it first; the hook is its own."""
    values = values_of(CHART / "ci" / "sidecars-values.yaml")
    spec = one("Deployment", values)["spec"]["template"]["spec"]
    assert spec["initContainers"] == values["extraInitContainers"]
    assert [each["name"] for each in spec["containers"]] == ["exporter", "proxy"]
    assert spec["containers"][1:] == values["extraContainers"]
    assert spec["containers"][0]["lifecycle"] == values["lifecycle"]
    assert spec["terminationGracePeriodSeconds"] == 45


def test_what_a_cluster_asks_of_pods() -> None:
    """Names are resolved in both pods alike, in the same sandbox; nothing is there unless it is set."""
    values = values_of(CHART / "ci" / "pod-values.yaml")
    asked = {name: values[name] for name in ("dnsPolicy", "dnsConfig", "hostAliases", "runtimeClassName")}
    for pod in pod_templates(objects(values)):
        assert pod["spec"].items() >= asked.items()
    stateful = one("StatefulSet", values)["spec"]
    assert stateful["updateStrategy"] == {"type": "OnDelete"}
    assert stateful["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    (bare, test) = pod_templates(objects({}))
    assert (
        not (asked.keys() | {"terminationGracePeriodSeconds", "initContainers"}) & (bare["spec"] | test["spec"]).keys()
    )
    assert "lifecycle" not in bare["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("file", "kind", "endpoints"),
    [("monitors", "ServiceMonitor", "endpoints"), ("pod-monitor", "PodMonitor", "podMetricsEndpoints")],
)
def test_monitors(file: str, kind: str, endpoints: str) -> None:
    """What values say arrives where the operator looks for it, and nothing that is left as it comes."""
    values = values_of(CHART / "ci" / f"{file}-values.yaml")
    key = kind[0].lower() + kind[1:]
    (spec,) = (each["spec"] for each in objects(values) if each["kind"] == kind)
    bare = one(kind, {key: {"enabled": True}})["spec"]
    assert bare[endpoints] == [{"port": "http", "path": "/metrics"}]
    assert bare.keys() == {endpoints, "selector", "namespaceSelector"}
    on_top = {"jobLabel", "targetLabels", "podTargetLabels", "sampleLimit"} & DEFAULTS[key].keys()
    around = {"enabled", "namespace", "labels", "annotations", "extraEndpointConfig", "extraSpec"}
    given = values[key]
    assert DEFAULTS[key].keys() - given.keys() <= {"annotations"}
    assert spec == {
        **bare,
        **given["extraSpec"],
        **{name: given[name] for name in on_top},
        endpoints: [
            {
                **bare[endpoints][0],
                **given["extraEndpointConfig"],
                **{name: value for name, value in given.items() if name not in on_top | around},
            }
        ],
    }


def test_what_is_passed_through_wins() -> None:
    """It was set on purpose."""
    monitor = {"enabled": True, "interval": "1m", "extraEndpointConfig": {"path": "/proxied", "interval": "2m"}}
    assert one("ServiceMonitor", {"serviceMonitor": monitor})["spec"]["endpoints"] == [
        {"port": "http", "path": "/proxied", "interval": "2m"}
    ]


def test_dashboards() -> None:
    """Every dashboard of the chart is in a ConfigMap that the sidecar finds, byte for byte."""
    rendered = objects({"dashboards": {"enabled": True}})
    found = {
        name: text
        for each in rendered
        if each["kind"] == "ConfigMap" and each["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in each["data"].items()
    }
    files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (CHART / "dashboards").glob("*.json")}
    assert len(files) == 3
    assert [json.loads(text) for _, text in sorted(found.items())] == [files[name] for name in sorted(files)]


def test_extra_objects_are_templates() -> None:
    """Mappings and texts alike."""
    rendered = {each["metadata"]["name"]: each for each in objects(FULL) if each["kind"] == "ConfigMap"}
    fullname = f"{RELEASE}-{NAME}"
    assert f"{RELEASE}-private-ca" in rendered
    assert rendered[f"{fullname}-more"]["data"]["url"] == f"http://{fullname}:9848"


def test_names_are_no_longer_than_kubernetes_takes() -> None:
    """The label that a StatefulSet's pods get is 11 characters longer than its name, and may have 63."""
    stateful = one("StatefulSet", {"shards": 2, "fullnameOverride": "x" * 63})
    assert len(stateful["metadata"]["name"]) == 52


def test_notes() -> None:
    """Say what to do next: they are not the same for all."""
    notes = render({})["templates/NOTES.txt"]
    assert f"kubectl --namespace {NAMESPACE} rollout status deployment/{RELEASE}-{NAME}" in notes
    assert "Nothing scrapes it yet" in notes
    monitored = render({"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}})[
        "templates/NOTES.txt"
    ]
    assert "Nothing scrapes it yet" not in monitored
    assert "No alerts are installed" not in monitored


# Alerts


def rules(values: dict[str, Any]) -> Any:
    return one("PrometheusRule", {"prometheusRule": {"enabled": True, **values}})["spec"]


def test_the_rules_are_those_of_the_plain_file() -> None:
    """With the values as they come, the chart's rules are docs/monitoring/rules.yaml."""
    plain = yaml.safe_load((ROOT / "docs" / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))
    assert rules({}) == plain


def test_every_value_of_the_alerts_is_tried() -> None:
    """The file that promtool checks leaves none as it comes."""
    tried = values_of(CHART / "ci" / "prometheus-rule-values.yaml")["prometheusRule"]
    ours = DEFAULTS["prometheusRule"]
    for default, other in ((ours, tried), (ours["thresholds"], tried["thresholds"])):
        assert default.keys() == other.keys()
        assert [key for key in default if default[key] == other[key]] == []


def alerts(values: dict[str, Any]) -> dict[str, Any]:
    return {rule["alert"]: rule for group in rules(values)["groups"] for rule in group["rules"] if "alert" in rule}


def test_alerts_are_left_out_renamed_and_labelled() -> None:
    """What an alert manager routes by is the user's."""
    every = alerts({})
    changed = alerts(
        {
            "disabled": ["BedrockCustomizationJobSlow"],
            "severity": {"BedrockCustomizationJobFailed": "info"},
            "additionalAlertLabels": {"team": "ml"},
            "runbookUrl": "https://wiki.example.com/bedrock",
            "dashboardUrl": "https://grafana.example.com",
        }
    )
    assert every.keys() - changed.keys() == {"BedrockCustomizationJobSlow"}
    assert changed["BedrockCustomizationJobFailed"]["labels"] == {"severity": "info", "team": "ml"}
    for name, alert in changed.items():
        assert alert["labels"]["team"] == "ml"
        assert alert["annotations"]["runbook_url"] == f"https://wiki.example.com/bedrock/{name}.md"
        assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example.com/d/bedrock-customization-")


def test_own_rules_stand_beside_ours() -> None:
    """As they are: what looks like a template is Prometheus's."""
    own = values_of(CHART / "ci" / "prometheus-rule-values.yaml")["prometheusRule"]["additionalGroups"]
    assert rules({"additionalGroups": own})["groups"] == [*rules({})["groups"], *own]


def test_thresholds_by_customization_type() -> None:
    """A type may have its own, and the others keep theirs."""
    text = str(rules({"thresholds": {"byCustomizationType": {"DISTILLATION": {"jobNotProgressing": "24h"}}}}))
    assert "> 86400" in text
    assert "> 43200" in text
    assert 'customization_type="DISTILLATION"' in text


# What the documents say


PAGES = [CHART / "README.md", ROOT / "docs" / "kubernetes.md", ROOT / "docs" / "eks.md"]


def blocks(page: Path, language: str) -> list[str]:
    """The examples of a page."""
    return re.findall(rf"(?ms)^```{language}\n(.+?)^```$", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_values_are_good(page: Path) -> None:
    """Helm takes every values file of the documents, and the exporter the configuration in it."""
    examples = [text for text in blocks(page, "yaml") if "scrape_configs:" not in text]
    assert examples
    for text in examples:
        assert len(list(loaded(objects(helm.values_from_yaml(text))))) == 1


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_commands_name_what_the_chart_installs(page: Path) -> None:
    """Objects that kubectl is pointed at are there when the release is called as in the documents."""
    installed = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects({}, name=NAME)}
    named = set(re.findall(r"(?:deployment|statefulset|service)/bedrock[\w-]*", "".join(blocks(page, "sh"))))
    assert named
    assert named <= installed


def test_manifests_are_without_helm() -> None:
    """What is applied by kubectl says nothing of Helm, and reloads by itself."""
    for name in ("exporter.yaml", "prometheus-operator.yaml"):
        text = (ROOT / "docs" / "examples" / "kubernetes" / name).read_text(encoding="utf-8")
        assert "helm.sh" not in text
        assert "app.kubernetes.io/managed-by" not in text
        for each in yaml.safe_load_all(text):
            check_shape(each, MINORS[-1])


# Bad values

BAD: dict[str, tuple[str, str]] = {
    "unknown-key": ("replica: 2", "- at '': additional properties 'replica' not allowed"),
    "unknown-key-below": ("image: {tga: x}", "- at '/image': additional properties 'tga' not allowed"),
    "number-for-text": ("image: {tag: 1.2}", "- at '/image/tag': got number, want string"),
    "digest": ("image: {digest: latest}", "- at '/image/digest': 'latest' does not match pattern '^(sha256:"),
    "config-key": (
        "config: {poll: {intervall: 60s}}",
        "- at '/config/poll': additional properties 'intervall' not allowed",
    ),
    "config-duration": ("config: {poll: {interval: 60}}", "- at '/config/poll/interval': got number, want string"),
    "config-bound": ("config: {poll: {concurrency: 0}}", "- at '/config/poll/concurrency': minimum: got 0, want 1"),
    "config-list": (
        "config: {targets: [{regions: us-east-1}]}",
        "- at '/config/targets/0/regions': got string, want null or array",
    ),
    "config-missing": (
        "config: {targets: [{assume_role: {external_id: abc}}]}",
        "- at '/config/targets/0/assume_role': missing property 'role_arn'",
    ),
    "config-account": (
        "config: {targets: [{account_id: 111122223333}]}",
        "- at '/config/targets/0/account_id': got number, want null or string",
    ),
    "image-tag": ('image: {tag: "a: b"}', "- at '/image/tag': 'a: b' does not match pattern"),
    "label": ("podLabels: {a: no spaces}", "- at '/podLabels/a': 'no spaces' does not match pattern"),
    "label-name": ("commonLabels: {-a: b}", "- at '': invalid propertyName '-a'"),
    "label-length": (f"commonLabels: {{a: {'x' * 64}}}", "- at '/commonLabels/a': 'xxx"),
    "annotation-name": ("podAnnotations: {a b: c}", "- at '': invalid propertyName 'a b'"),
    "volume": (
        "extraVolumes: [{name: config, emptyDir: {}}]",
        "extraVolumes: the volume config is the chart's own; give yours another name",
    ),
    "mount": (
        "extraVolumeMounts: [{name: ca, mountPath: /etc/bedrock-customization-exporter/}]",
        "/etc/bedrock-customization-exporter is where the configuration is; take another mountPath",
    ),
    "container": (
        "extraContainers: [{name: exporter}]",
        "the container exporter is the chart's own; give yours another name",
    ),
    "ingress-path": (
        "ingress: {hosts: [{paths: [{path: metrics}]}]}",
        "- at '/ingress/hosts/0/paths/0/path': 'metrics' does not match pattern '^/'",
    ),
    "ip-family": ("service: {ipFamilies: [ipv6]}", "- at '/service/ipFamilies/0': value must be one of 'IPv4', 'IPv6'"),
    "budget-of-one": (
        "podDisruptionBudget: {enabled: true, maxUnavailable: null, minAvailable: 1}",
        "podDisruptionBudget: minAvailable 1 of 1 pods would hold up the draining of a node for ever",
    ),
    "budget-of-all": (
        "shards: 2\npodDisruptionBudget: {enabled: true, maxUnavailable: null, minAvailable: 51%}",
        "minAvailable 51% of 2 pods would hold up",
    ),
    "choice": ("reload: {mode: lvie}", "- at '/reload/mode': value must be one of 'rolling', 'live'"),
    "text-for-number": ('shards: "3"', "- at '/shards': got string, want integer"),
    "text-for-boolean": (
        'serviceMonitor: {enabled: "yes"}',
        "- at '/serviceMonitor/enabled': got string, want boolean",
    ),
    "threshold": (
        "prometheusRule: {thresholds: {jobFailled: 1h}}",
        "- at '/prometheusRule/thresholds': additional properties 'jobFailled' not allowed",
    ),
    "unknown-alert": (
        "prometheusRule: {disabled: [Nope]}",
        "- at '/prometheusRule/disabled/0': value must be one of 'BedrockCustomizationJobFailed'",
    ),
    "flag": ("extraArgs: [debug]", "- at '/extraArgs/0': 'debug' does not match pattern '^--'"),
    "flag-of-the-chart": ("extraArgs: ['--web.listen-address=:80']", "- at '/extraArgs/0': 'not' failed"),
    "name": ("fullnameOverride: 9lives", "- at '/fullnameOverride': '9lives' does not match pattern '^([a-z]("),
    "config-label": (
        "config: {targets: [{labels: {a-b: x}}]}",
        "- at '': invalid propertyName 'a-b'",
    ),
    "config-label-taken": (
        "config: {targets: [{labels: {__x: x}}]}",
        "- at '': invalid propertyName '__x'",
    ),
    "config-url": (
        "config: {aws: {endpoint_url: not a url}}",
        "- at '/config/aws/endpoint_url': 'not a url' does not match pattern",
    ),
    "config-details": ("config: {details: true}", "- at '/config/details': value must be false"),
    "config-tags": ("config: {job_series: {tags: [team]}}", "- at '/config/job_series/tags': maxItems: got 1, want 0"),
    "shards-and-replicas": ("shards: 2\nreplicas: 2", "a shard has one pod; leave replicas at 1, or shards at 1"),
    "two-configs": ("existingConfigMap: a\nconfig: {poll: {}}", "the configuration stands in one of the two"),
    "two-monitors": (
        "serviceMonitor: {enabled: true}\npodMonitor: {enabled: true}",
        "Prometheus would scrape each pod twice; enable one of the two",
    ),
    "two-budgets": (
        "replicas: 2\npodDisruptionBudget: {enabled: true, minAvailable: 1}",
        "minAvailable can't stand beside maxUnavailable; set maxUnavailable to null",
    ),
}


@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD.keys())
def test_bad_values(values: str, message: str) -> None:
    """Helm says where, what stands there, and what is wanted."""
    with pytest.raises(helm.HelmError) as caught:
        render(helm.values_from_yaml(values))
    assert message in str(caught.value)
