"""The objects that the Helm chart makes: their shape, selectors and names, monitors, networks, alerts, dashboards."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import helm_python
import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from chart import (
    DEFAULTS,
    FULL,
    FULLNAME,
    MINORS,
    POD,
    RELEASE,
    Object,
    check_shape,
    container,
    each_file,
    objects,
    one,
    pods,
    render,
)
from kubernetes_validate import utils  # type: ignore[import-untyped]

from exporter import NAME, __version__
from tools.helm import CHART, NAMESPACE, values_of

pytestmark = pytest.mark.e2e  # every test renders with Helm


@each_file
def test_good_values(file: Path) -> None:
    """`helm lint --strict` finds nothing; three versions of Kubernetes accept every object, each of its own name."""
    values = values_of(file)
    report = helm_python.lint(CHART, values, strict=True)
    assert (report["total_charts_linted"], report["errors"]) == (1, [])
    assert [message for message in report["messages"] if message["severity"] >= 2] == []
    rendered = objects(values)
    assert len({(one["kind"], one["metadata"]["name"]) for one in rendered}) == len(rendered) >= 4
    for each, minor in itertools.product(rendered, MINORS):
        check_shape(each, minor)


@pytest.mark.parametrize("kind", ["Deployment", "ServiceMonitor"])
def test_an_unknown_field_is_seen(kind: str) -> None:
    """`check_shape` looks at every field, of Kubernetes's own objects and of others."""
    good = one(kind, {"serviceMonitor": {"enabled": True}})
    with pytest.raises((utils.ValidationError, jsonschema.ValidationError)):
        check_shape({**good, "spec": {**good["spec"], "replicsa": 1}})


def test_default_install() -> None:
    """Everything optional is off; the image is of the chart's version."""
    assert sorted(one["kind"] for one in objects({})) == ["ConfigMap", "Deployment", "Pod", "Service", "ServiceAccount"]
    assert container({})["image"].rpartition(":")[2] == __version__


def test_selectors_select_the_pods() -> None:
    """A Service, a monitor, a policy and a budget select the exporter's pods, and not that of `helm test`."""
    rendered = objects({**FULL, "podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": False}})
    labels = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["metadata"]["labels"].items()
        for pod in pods(rendered)
    }
    kinds = {"Service", "PodMonitor", "NetworkPolicy", "PodDisruptionBudget", "StatefulSet"}
    specs = [each["spec"] for each in rendered if each["kind"] in kinds]
    assert len(specs) == 6
    for spec in specs:
        selector = spec.get("selector", spec.get("podSelector"))
        match = selector.get("matchLabels", selector).items()
        assert match <= labels["exporter"]
        assert not match <= labels["test"]


@pytest.mark.parametrize("shards", [1, 3])
def test_the_service_monitor_finds_each_pod_once(shards: int) -> None:
    """It selects one Service, not the one that gives shards their names, and a port that exists."""
    values = {"shards": shards, "serviceMonitor": {"enabled": True}, "service": {"port": 80}}
    monitor = one("ServiceMonitor", values)["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = (
        each for each in objects(values) if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()
    )
    ports = service["spec"]["ports"]
    assert [endpoint["port"] for endpoint in monitor["endpoints"]] == [port["name"] for port in ports]
    assert monitor["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    assert {port["targetPort"] for port in ports} <= {port["name"] for port in container(values)["ports"]}


def test_the_network_policy_lets_helm_test_in() -> None:
    """Whoever else may not scrape, the pod of `helm test` may."""
    values = {
        "networkPolicy": {"enabled": True, "ingressFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]}
    }
    (rule,) = one("NetworkPolicy", values)["spec"]["ingress"]
    (pod,) = (each for each in objects(values) if each["kind"] == "Pod")
    selectors = [peer["podSelector"]["matchLabels"].items() for peer in rule["from"]]
    assert [selector <= pod["metadata"]["labels"].items() for selector in selectors] == [False, True]


def egress(values: Object) -> dict[int, Object]:
    """First port → rule for outgoing traffic."""
    policy = one("NetworkPolicy", {"networkPolicy": {"enabled": True, **values}})["spec"]["egress"]
    return {rule["ports"][0]["port"]: rule for rule in policy}


def test_the_network_policy_for_outgoing_traffic() -> None:
    """DNS also on port 5353, where OpenShift's DNS pods listen; anywhere, unless peers are named."""
    ports = {(port["port"], port["protocol"]) for port in egress({})[53]["ports"]}
    assert ports == {(53, "UDP"), (53, "TCP"), (5353, "UDP"), (5353, "TCP")}
    peers = [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    everywhere = {port: rule.get("to") for port, rule in egress({}).items()}
    for key, port in (("dnsTo", 53), ("httpsTo", 443)):
        assert everywhere[port] is None
        assert {port: rule.get("to") for port, rule in egress({key: peers}).items()} == everywhere | {port: peers}


def test_the_network_policy_lets_in_what_it_is_told_to() -> None:
    """Further rules stand beside that for scrapes, which stays as it was."""
    values = values_of(CHART / "ci" / "network-policy-values.yaml")
    more = values["networkPolicy"]["extraIngress"]
    without = {**values["networkPolicy"], "extraIngress": []}
    scrapes = one("NetworkPolicy", {"networkPolicy": without})["spec"]["ingress"]
    assert one("NetworkPolicy", values)["spec"]["ingress"] == [*scrapes, *more]


def test_ip_families() -> None:
    """Both Services of a sharded install have them, and neither unless they are set."""
    dual = values_of(CHART / "ci" / "dual-stack-values.yaml")
    for values, wanted in (({"shards": 2}, {}), (dual, dual["service"])):
        services = [each["spec"] for each in objects(values) if each["kind"] == "Service"]
        found = [{name: spec[name] for name in ("ipFamilies", "ipFamilyPolicy") if name in spec} for spec in services]
        assert found == [wanted, wanted]


def test_ingress() -> None:
    """It leads to the Service, by a port that it has, and everything under a host where no path is named."""
    values = values_of(CHART / "ci" / "ingress-values.yaml")
    spec = one("Ingress", values)["spec"]
    backend = {"service": {"name": one("Service", values)["metadata"]["name"], "port": {"name": "http"}}}
    metrics = {"path": "/metrics", "pathType": "Exact", "backend": backend}
    everything = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    assert spec["rules"] == [
        {"host": "bedrock-exporter.example.com", "http": {"paths": [metrics]}},
        {"host": "bedrock.example.com", **everything},
    ]
    assert (spec["ingressClassName"], spec["tls"]) == ("nginx", values["ingress"]["tls"])
    assert one("Ingress", {"ingress": {"enabled": True}})["spec"] == {"rules": [everything]}


def test_http_route() -> None:
    """It leads to the Service, by a port that it has, from the gateways and paths that are named."""
    values = values_of(CHART / "ci" / "http-route-values.yaml")
    service = one("Service", values)
    (port,) = service["spec"]["ports"]
    backends = [{"name": service["metadata"]["name"], "port": port["port"]}]
    route = values["httpRoute"]
    assert one("HTTPRoute", values)["spec"] == {
        "parentRefs": route["parentRefs"],
        "hostnames": route["hostnames"],
        "rules": [{"backendRefs": backends, "matches": route["matches"]}],
    }
    assert one("HTTPRoute", {"httpRoute": {"enabled": True}})["spec"] == {"rules": [{"backendRefs": backends}]}


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
    assert pod["spec"]["containers"][0]["command"][-2] == f"http://{FULLNAME}.bedrock:9848"


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


@pytest.mark.parametrize(
    ("file", "kind", "endpoints"),
    [("monitors", "ServiceMonitor", "endpoints"), ("pod-monitor", "PodMonitor", "podMetricsEndpoints")],
)
def test_monitors(file: str, kind: str, endpoints: str) -> None:
    """What values say arrives where the operator looks for it, and nothing that is left as it comes."""
    key = kind[0].lower() + kind[1:]
    values = values_of(CHART / "ci" / f"{file}-values.yaml")
    given = values[key]
    (spec,) = (each["spec"] for each in objects(values) if each["kind"] == kind)
    bare = one(kind, {key: {"enabled": True}})["spec"]
    assert bare[endpoints] == [{"port": "http", "path": "/metrics"}]
    assert bare.keys() == {endpoints, "selector", "namespaceSelector"}
    on_top = {"jobLabel", "targetLabels", "podTargetLabels", "sampleLimit"} & DEFAULTS[key].keys()
    around = {"enabled", "namespace", "labels", "annotations", "extraEndpointConfig", "extraSpec"}
    assert DEFAULTS[key].keys() - given.keys() <= {"annotations"}
    endpoint = {name: value for name, value in given.items() if name not in on_top | around}
    assert spec == {
        **bare,
        **given["extraSpec"],
        **{name: given[name] for name in on_top},
        endpoints: [{**bare[endpoints][0], **given["extraEndpointConfig"], **endpoint}],
    }


def test_what_is_passed_through_wins() -> None:
    """It was set on purpose."""
    monitor = {"enabled": True, "interval": "1m", "extraEndpointConfig": {"path": "/proxied", "interval": "2m"}}
    assert one("ServiceMonitor", {"serviceMonitor": monitor})["spec"]["endpoints"] == [
        {"port": "http", "path": "/proxied", "interval": "2m"}
    ]


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
    service = one("Service", values)["metadata"]["labels"]
    assert service.items() >= {**common, "app.kubernetes.io/name": NAME}.items()


def test_names() -> None:
    """Text that YAML reads as something else, such as `null` or 1234, stays text; a long name is cut.

    The label that a StatefulSet's pods get is 11 characters longer than its name, and may have 63.
    """
    values = {
        "fullnameOverride": "null",
        "nameOverride": "true",
        "priorityClassName": "1234",
        "serviceAccount": {"name": "no"},
    }
    rendered = objects({**FULL, **values, "shards": 2}, name="1234")
    for each in rendered:
        check_shape(each)
    (spec,) = (each["spec"]["template"]["spec"] for each in rendered if each["kind"] == "StatefulSet")
    assert (spec["serviceAccountName"], spec["priorityClassName"]) == ("no", "1234")
    assert len(one("StatefulSet", {"shards": 2, "fullnameOverride": "x" * 63})["metadata"]["name"]) == 52


@pytest.mark.parametrize("name", ["1234", "7-of-nine", f"2-{NAME}"])
def test_a_release_name_that_starts_with_a_digit(name: str) -> None:
    """A Service's name may not: API servers refuse it."""
    services = [each["metadata"]["name"] for each in objects({"shards": 2}, name=name) if each["kind"] == "Service"]
    assert len(services) == 2
    for service in services:
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", service)
        assert service.startswith(f"r-{name}")


def test_dashboards() -> None:
    """Every dashboard of the chart is in a ConfigMap that the sidecar finds."""
    found = {
        name.removeprefix(f"{NAME}-"): json.loads(text)
        for each in objects({"dashboards": {"enabled": True}})
        if each["kind"] == "ConfigMap" and each["metadata"]["labels"].get("grafana_dashboard") == "1"
        for name, text in each["data"].items()
    }
    files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (CHART / "dashboards").glob("*.json")}
    assert found == files


def test_extra_objects_are_templates() -> None:
    """Mappings and texts alike."""
    rendered = {each["metadata"]["name"]: each for each in objects(FULL) if each["kind"] == "ConfigMap"}
    assert f"{RELEASE}-private-ca" in rendered
    assert rendered[f"{FULLNAME}-more"]["data"]["url"] == f"http://{FULLNAME}:9848"


def test_notes() -> None:
    """They say what to do next, which is not the same for all."""
    notes = render({})["templates/NOTES.txt"]
    monitored = {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
    assert f"kubectl --namespace {NAMESPACE} rollout status deployment/{FULLNAME}" in notes
    for missing in ("This chart has set up no scraping", "No alerts are installed"):
        assert missing in notes
        assert missing not in render(monitored)["templates/NOTES.txt"]


def rules(values: dict[str, Any]) -> Any:
    return one("PrometheusRule", {"prometheusRule": {"enabled": True, **values}})["spec"]


def test_the_rules_are_those_of_the_plain_file() -> None:
    """With default values the chart's rules are monitoring/rules.yaml."""
    assert rules({"selector": ""}) == yaml.safe_load(
        (CHART.parent / "monitoring" / "rules.yaml").read_text(encoding="utf-8")
    )


def alerts(values: dict[str, Any]) -> dict[str, Any]:
    return {rule["alert"]: rule for group in rules(values)["groups"] for rule in group["rules"] if "alert" in rule}


def test_alerts_are_left_out_renamed_and_labelled() -> None:
    changed = alerts(
        {
            "disabled": ["BedrockCustomizationJobSlow"],
            "severity": {"BedrockCustomizationJobFailed": "info"},
            "additionalAlertLabels": {"team": "ml"},
            "runbookUrl": "https://wiki.example.com/bedrock",
            "dashboardUrl": "https://grafana.example.com",
        }
    )
    assert alerts({}).keys() - changed.keys() == {"BedrockCustomizationJobSlow"}
    assert changed["BedrockCustomizationJobFailed"]["labels"] == {"severity": "info", "team": "ml"}
    for name, alert in changed.items():
        assert alert["labels"]["team"] == "ml"
        assert alert["annotations"]["runbook_url"] == f"https://wiki.example.com/bedrock/{name}.md"
        assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example.com/d/bedrock-customization-")


def test_labels_from_tags() -> None:
    """Alerts on jobs alone get them; the label that the alert has otherwise is what a job without the tag keeps."""
    values = {
        "config": {"targets": [{"regions": ["us-east-1"]}], "job_series": {"tags": ["team", "cost-center"]}},
        "prometheusRule": {
            "enabled": True,
            "labelsFromTags": {"team": "team", "cost": "cost-center"},
            "additionalAlertLabels": {"cost": "none"},
        },
    }
    groups = one("PrometheusRule", values)["spec"]["groups"]
    labels = {rule["alert"]: rule["labels"] for group in groups for rule in group["rules"] if "alert" in rule}
    failed = labels["BedrockCustomizationJobFailed"]
    assert failed["team"].endswith('}}{{ . | first | label "tag_team" }}{{ else }}{{ $labels.team }}{{ end }}')
    assert failed["cost"].endswith('}}{{ . | first | label "tag_cost_center" }}{{ else }}none{{ end }}')
    for name, each in labels.items():
        assert each.keys() == {"severity", "cost"} | ({"team"} if name.startswith("BedrockCustomizationJob") else set())
        assert each["cost"] == (failed["cost"] if name.startswith("BedrockCustomizationJob") else "none")


def test_labels_from_tags_that_are_not_read() -> None:
    """A tag that the exporter's configuration does not list would never be found: that is said at once."""
    values = {"prometheusRule": {"enabled": True, "labelsFromTags": {"team": "owner"}}}
    config = {"targets": [{"regions": ["us-east-1"]}], "job_series": {"tags": ["team"]}}
    with pytest.raises(helm_python.HelmRenderError, match=r'labelsFromTags\.team is "owner", which config\.job_series'):
        render({**values, "config": config})
    assert one("PrometheusRule", {**values, "existingConfigMap": "mine"})


def test_own_rules_stand_beside_ours() -> None:
    """As they are: what looks like a template is Prometheus's."""
    own = values_of(CHART / "ci" / "prometheus-rule-values.yaml")["prometheusRule"]["additionalGroups"]
    assert rules({"additionalGroups": own})["groups"] == [*rules({})["groups"], *own]


def test_thresholds_by_customization_type() -> None:
    """A type may have its own, and the others keep theirs."""
    text = str(rules({"thresholds": {"byCustomizationType": {"DISTILLATION": {"jobNotProgressing": "24h"}}}}))
    for part in ("> 86400", "> 43200", 'customization_type="DISTILLATION"'):
        assert part in text
