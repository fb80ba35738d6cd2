"""The pods that the Helm chart makes: security, upgrades, images, flags, and what clusters ask of pods."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from chart import DATA, DEFAULTS, FULL, FULLNAME, POD, Object, container, each_file, objects, one, pods, render

from exporter import NAME, __version__, flags
from tools.helm import CHART, values_of

pytestmark = pytest.mark.e2e  # every test renders with Helm

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
        capabilities = own.get("capabilities", {})
        wrong = {
            "hostPort": any(port.get("hostPort") for port in each.get("ports", [])),
            "probe host": any(
                "host" in each[name].get(how, {})
                for name in each
                if name.endswith("Probe")
                for how in ("httpGet", "tcpSocket")
            ),
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
            "seccompProfile": both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"},
            "capabilities.drop": capabilities.get("drop") != ["ALL"],
            "capabilities.add": not set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is not True,
        }
        found += [name for name, is_wrong in wrong.items() if is_wrong]
    return found


@each_file
def test_pod_security_restricted(file: Path) -> None:
    """Every pod, also that of `helm test`, satisfies `restricted` and has no token of the Kubernetes API."""
    found = list(pods(objects(values_of(file))))
    assert len(found) == 2
    for pod in found:
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
    """The check above finds each breach that values can cause."""
    assert any(wanted in breaches(pod) for pod in pods(objects(values)))


def test_openshift_chooses_the_user() -> None:
    """Where the platform gives each namespace its users, none is set.

    The switch takes away what the values set, in the container's context, too: a parent's null would be lost.
    """
    for pod in pods(objects({"openshift": {"enabled": True}, "securityContext": {"runAsUser": 1, "runAsGroup": 1}})):
        assert pod["spec"]["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for each in pod["spec"]["containers"]:
            assert each["securityContext"].keys() == DEFAULTS["securityContext"].keys()


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
"""What the first release installed and Kubernetes refuses to change: written out, as the templates must not either."""


def lasting(rendered: list[Object]) -> dict[tuple[str, str], Object]:
    """What of objects can't be changed by an upgrade, or selects pods."""
    fields = {"selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates", "clusterIP"}
    return {
        (one["kind"], one["metadata"]["name"]): {name: one["spec"][name] for name in fields & one["spec"].keys()}
        for one in rendered
        if one["kind"] in {"Deployment", "StatefulSet", "Service"}
    }


def test_upgrades_keep_what_cannot_be_changed(tmp_path: Path) -> None:
    """It is what it was at the first release, whatever the version and the values."""
    newer = shutil.copytree(CHART, tmp_path / "helm")
    about = newer / "Chart.yaml"
    about.write_text(re.sub(r'(?m)^(version: |appVersion: ")[^"\n]*', r"\g<1>9.8.7", about.read_text("utf-8")), "utf-8")
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
    older = (DATA / "chart" / "values-before.yaml").read_text(encoding="utf-8")
    assert DEFAULTS.keys() - yaml.safe_load(older).keys() > {"openshift", "configMap", "ingress"}
    assert "    jobFailed: 1h\n" in older
    changed = older.replace("    jobFailed: 1h\n", "    jobFailed: 12h\n")  # a default that is another one now
    (chart / "values.yaml").write_text(changed, encoding="utf-8")
    return chart


@each_file
def test_upgrades_that_reuse_values(file: Path, reused: Path) -> None:
    """Without the keys that have come since, the same is rendered as with their defaults."""
    assert render(values_of(file), chart=reused) == render(values_of(file))


@pytest.mark.parametrize("values", [{}, FULL], ids=["default", "full"])
def test_a_newer_chart_alone_replaces_no_pods(values: Object) -> None:
    """Its version is not in their labels, and all else in their template comes from the values."""
    (template,) = (each["spec"]["template"] for each in objects(values) if "template" in each.get("spec", {}))
    assert "helm.sh/chart" not in template["metadata"]["labels"]


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
    for pod in pods(objects({"image": image, "global": parent})):
        assert [each["image"] for each in pod["spec"]["containers"]] == [f"{wanted}:{__version__}"]


def test_pull_secrets_of_a_parent_chart() -> None:
    """They stand beside ours, each once, and may be names."""
    for pod in pods(objects(values_of(CHART / "ci" / "global-values.yaml"))):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "own"}, {"name": "parent"}]


def test_image_by_digest() -> None:
    """A digest wins over a tag."""
    digest = "sha256:" + "0" * 64
    assert container({"image": {"digest": digest, "tag": "1"}})["image"].endswith(f"exporter@{digest}")


def test_recreate_has_no_rolling_update() -> None:
    """API servers refuse a Deployment with both; the default's `rollingUpdate` goes by itself."""
    assert one("Deployment", {"strategy": {"type": "Recreate"}})["spec"]["strategy"] == {"type": "Recreate"}
    assert one("Deployment", {})["spec"]["strategy"] == DEFAULTS["strategy"]


@pytest.mark.parametrize("value", [1, 2_000_000, 0.5, True, "1", "a: b", ""], ids=str)
def test_environment_variables_are_texts(value: Any) -> None:
    """`--set extraEnv[0].value=1` gives a number, which API servers refuse."""
    (variable,) = container({"extraEnv": [{"name": "A", "value": value}]})["env"]
    assert variable == {"name": "A", "value": value if isinstance(value, str) else json.dumps(value)}


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
    for pod in pods(objects(values)):
        assert pod["spec"].items() >= asked.items()
    stateful = one("StatefulSet", values)["spec"]
    assert stateful["updateStrategy"] == {"type": "OnDelete"}
    assert stateful["template"]["spec"]["terminationGracePeriodSeconds"] == 0
    for pod in pods(objects({})):
        assert not pod["spec"].keys() & {*asked, "terminationGracePeriodSeconds", "initContainers"}
    assert "lifecycle" not in container({})


def test_a_topology_constraint_keeps_its_own_selector() -> None:
    """One that has none gets that of the exporter's pods."""
    bare = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    own = {**bare, "labelSelector": {"matchLabels": {"team": "ml"}}}
    spec = one("Deployment", {"topologySpreadConstraints": [bare, own]})["spec"]["template"]["spec"]
    assert spec["topologySpreadConstraints"] == [{**bare, "labelSelector": {"matchLabels": POD}}, own]


def test_the_pod_of_helm_test_is_like_the_exporters() -> None:
    """Where only some pods may run, it may: labels, annotations, account, place, class and resources are theirs."""
    values = values_of(CHART / "ci" / "scheduling-values.yaml") | {
        "podLabels": {"allowed": "yes", "app.kubernetes.io/component": "exporter"},
        "podAnnotations": {"sidecar.istio.io/inject": "false", "helm.sh/hook": "post-install"},
        "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}},
    }
    exporter, test = pods(objects(values))
    for name in ("serviceAccountName", "affinity", "priorityClassName", "nodeSelector", "tolerations"):
        assert test["spec"][name] == exporter["spec"][name]
    for pod in (exporter, test):
        assert [each["resources"] for each in pod["spec"]["containers"]] == [values["resources"]]
    labels = {**POD, "app.kubernetes.io/component": "test", "allowed": "yes"}
    assert test["metadata"]["labels"].items() >= labels.items()
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert test["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


def test_the_pod_of_helm_test_is_patient() -> None:
    """It waits longer than the startup probe lets a first walk take, and less than the five minutes of `helm test`."""
    (pod,) = (each for each in objects({}) if each["kind"] == "Pod")
    (patience,) = map(int, re.findall(r"patience = (\d+)", pod["spec"]["containers"][0]["command"][2]))
    probe = DEFAULTS["startupProbe"]
    assert 2 * probe["periodSeconds"] * probe["failureThreshold"] < patience < 300


@pytest.mark.parametrize(
    ("web", "flags_", "probe", "scheme", "guard"),
    [
        ({}, [], {"httpGet": {"path": "/-/ready", "port": "http"}}, "http", "none"),
        (
            {"existingSecret": "web"},
            ["--web.config.file=/etc/bedrock-customization-exporter-web/web.yml", "--web.probes-without-auth"],
            {"httpGet": {"path": "/-/ready", "port": "http", "scheme": "HTTPS"}},
            "https",
            "metrics",
        ),
        (
            {"existingSecret": "web", "key": "a.yaml", "tls": False, "certificateSecret": "tls"},
            ["--web.config.file=/etc/bedrock-customization-exporter-web/a.yaml", "--web.probes-without-auth"],
            {"httpGet": {"path": "/-/ready", "port": "http"}},
            "http",
            "metrics",
        ),
        (
            {"existingSecret": "web", "probesWithoutAuth": False},
            ["--web.config.file=/etc/bedrock-customization-exporter-web/web.yml"],
            {"tcpSocket": {"port": "http"}},
            "https",
            "all",
        ),
    ],
    ids=["plain", "tls", "users", "probes-too"],
)
def test_web_configuration(web: Object, flags_: list[str], probe: Object, scheme: str, guard: str) -> None:
    """A Secret, or two, are mounted; probes, monitors and `helm test` speak as the file in it wants."""
    values: Object = {"webConfig": web, "serviceMonitor": {"enabled": True}}
    exporter = container(values)
    assert [flag for flag in exporter["args"] if flag.startswith("--web")] == flags_
    assert {key: what for key, what in exporter["readinessProbe"].items() if key in {"httpGet", "tcpSocket"}} == probe
    volumes = {each["name"]: each for each in one("Deployment", values)["spec"]["template"]["spec"]["volumes"]}
    secrets = [web[key] for key in ("existingSecret", "certificateSecret") if key in web]
    assert [
        each["secret"]["name"] for each in volumes.get("web-config", {}).get("projected", {}).get("sources", [])
    ] == secrets
    (endpoint,) = one("ServiceMonitor", values)["spec"]["endpoints"]
    assert endpoint.get("scheme", "http") == scheme
    (pod,) = (each for each in objects(values) if each["kind"] == "Pod")
    url, told = pod["spec"]["containers"][0]["command"][-2:]
    assert (url.partition(":")[0], told) == (scheme, guard)


def test_flags_that_the_chart_relies_on_are_refused() -> None:
    """Probes and monitors would not follow another port or path: the exporter's flags have values of their own."""
    names = set(re.findall(r"(?<!\S)--[a-z][\w.-]*", flags.parser().format_help()))
    assert len(names) > 10
    for flag in names - {"--web.config.file", "--web.probes-without-auth"}:  # for which there are no values
        with pytest.raises(helm_python.HelmValuesError):
            render({"extraArgs": [f"{flag}=1"]})
    assert container({"extraArgs": ["--of-a-newer-image"]})["args"][-1] == "--of-a-newer-image"


def checksum(values: dict[str, Any]) -> Any:
    return one("Deployment", values)["spec"]["template"]["metadata"].get("annotations", {}).get("checksum/config")


def test_a_change_of_config_rolls() -> None:
    """The pods carry the configuration's checksum, unless the exporter reloads by itself."""
    assert checksum({}) is not None
    assert checksum({}) == checksum({"podLabels": {"a": "b"}}) != checksum({"config": {"poll": {"interval": "2m"}}})
    live = {"reload": {"mode": "live"}}
    assert checksum(live) is None
    assert container(live)["args"][-2:] == ["--web.enable-lifecycle", "--config.auto-reload-interval=30s"]
    assert not any("lifecycle" in flag for flag in container({})["args"])


def test_config_is_mounted_as_a_directory() -> None:
    """A file mounted by itself would never show a change."""
    (mount,) = container({})["volumeMounts"]
    assert mount == {"name": "config", "mountPath": f"/etc/{NAME}", "readOnly": True}


def test_shards_are_a_stateful_set() -> None:
    """Each pod finds its index in its name; see also `STAYS`."""
    assert one("StatefulSet", {"shards": 4})["spec"]["replicas"] == 4
    assert "--shard.total=4" in container({"shards": 4})["args"]
