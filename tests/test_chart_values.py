"""Values of the Helm chart: the schema, the configuration in them, what the documents show, and bad ones."""

import copy
import dataclasses
import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from chart import (
    DATA,
    DEFAULTS,
    FULL,
    Object,
    check_shape,
    each_file,
    objects,
    one,
    render,
)

from exporter import NAME
from exporter.bedrock.regions import known_regions
from exporter.config.config import Config
from exporter.config.resolve import load
from tools.chart import documented_values
from tools.helm import CHART, values_of

pytestmark = pytest.mark.e2e  # every test renders with Helm


def keys(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The paths of every key that a schema lists itself."""
    for name, about in schema["properties"].items():
        yield path + name
        if "properties" in about:
            yield from keys(about, f"{path}{name}.")


SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def test_the_schema_lists_every_value() -> None:
    """Those of values.yaml, and besides only what a parent chart sets."""
    documented = {
        name
        for path, *_ in documented_values()
        for name in [path, *itertools.accumulate(path.split(".")[:-1], "{}.{}".format)]
    }
    assert {name for name in keys(SCHEMA) if not name.startswith("config.")} == documented | {"enabled"}
    assert render({"global": {"anything": 1}, "enabled": True}) == render({})


def test_every_mapping_of_the_schema_is_closed() -> None:
    """Where it lists keys it refuses others."""
    todo: list[Any] = [SCHEMA]
    closed = 0
    while todo:
        about = todo.pop()
        is_open = about is SCHEMA["properties"]["global"]  # which other charts read, too
        if isinstance(about, dict) and isinstance(about.get("properties"), dict) and not is_open:
            assert about["additionalProperties"] is False, about
            closed += 1
        todo += about.values() if isinstance(about, dict) else about if isinstance(about, list) else []
    assert closed > 20


def test_the_recommended_resources_suffice() -> None:
    """For what values.yaml says, by the figures of the benchmark and with a quarter to spare."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    limit = int(re.findall(r"(?m)^#  limits: \{memory: (\d+)Mi\}$", text)[0])
    cpu, request = map(int, re.findall(r"(?m)^#  requests: \{cpu: (\d+)m, memory: (\d+)Mi\}$", text)[0])
    enough = f"Requests of {cpu}m CPU and {request}Mi memory with a limit of {limit}Mi are enough for"
    said = f"{enough} 100,000 jobs or 200 targets"
    assert said in text.replace("\n# ", " ")
    measured = json.loads((CHART.parent / "docs" / "performance.json").read_text(encoding="utf-8"))
    rows = {row["row"]: row["ours"] for row in measured["rows"]}
    peak = {jobs: max(seen["peak"] for seen in measured["seen"][f"walk {jobs}"]) for jobs in (1_000, 100_000)}
    megabytes = limit * 2**20 / 1e6 / 1.25
    assert peak[100_000] < megabytes
    assert peak[1_000] + 200 * rows["targets-memory"] < megabytes
    assert rows["targets-memory"] * 1.25 < 2**20 / 1e6
    assert peak[1_000] < request * 2**20 / 1e6
    assert rows["targets-round"] / 100 * 1000 * 200 / 1000 < cpu  # percent of a core for 1,000 targets → for 200


VARIABLES = {
    "EXTERNAL_ID": "exporter",
    "CONCURRENCY": "16",
    "COUNT": "2",
    "REGION_AREA": "us",
    "EMPTY": "",
    "TRICKY": "a: [${COUNT}",
    "YES": "true",
    "DAY": "2026-01-01",
}
"""Those of helm/ci and of tests/data/config."""


def config_of(text: str) -> Config:
    return load(
        text,
        file="config.yaml",
        environ=VARIABLES,
        default_region=lambda _: "us-east-1",
        known_regions=known_regions(),
    )


def configs(rendered: list[Object]) -> list[Config]:
    """The configurations in ConfigMaps, read as the exporter reads them."""
    maps = (each["data"] for each in rendered if each["kind"] == "ConfigMap")
    return [config_of(data["config.yaml"]) for data in maps if "config.yaml" in data]


@each_file
def test_the_exporter_takes_the_configuration(file: Path) -> None:
    """`config` arrives as it was meant, large numbers and dates included."""
    values = values_of(file)
    found = configs(objects(values))
    assert len(found) == (0 if values.get("existingConfigMap") else 1)
    if values == FULL:
        assert found[0].budget.max_jobs == 2_000_000
        assert found[0].targets[2].job_filter.created_after == 1_767_225_600


CONFIGS = DATA / "config"


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.ok.yaml")), ids=lambda file: file.name.removesuffix(".ok.yaml"))
def test_every_good_configuration_arrives_as_it_is(file: Path) -> None:
    """What the exporter accepts as a file, the chart accepts as `config`, and the ConfigMap says the same.

    Helm has a YAML reader and writer of its own: dates, numbers and quoted text are what could go wrong.
    """
    straight = config_of(file.read_text(encoding="utf-8"))
    through = config_of(one("ConfigMap", {"config": values_of(file)})["data"]["config.yaml"])
    assert dataclasses.replace(through, digest="") == dataclasses.replace(straight, digest="")


BEYOND_THE_SCHEMA = {
    "tags-clash",
    "two-documents",
    "unclosed-variable",
    "account-of-role",
    "discovery-no-region",
    "discovery-regions",
    "double-key",
    "duplicate-targets",
    "environment",
    "key-not-text",
    "no-region-for-profile",
    "stale-after",
    "stale-after-default",
}
"""Bad configurations that Helm accepts: a schema sees one value at a time, neither environment nor text of a file."""


def test_bad_configurations_are_refused_before_they_are_installed() -> None:
    """What the exporter would refuse, the schema refuses, except faults that no schema can see."""
    passed = set()
    for file in CONFIGS.glob("*.bad.yaml"):
        try:
            values = values_of(file)
        except helm_python.HelmError:  # no YAML, or nothing that JSON could hold
            continue
        try:
            render({"config": values})
            passed.add(file.name.removesuffix(".bad.yaml"))
        except helm_python.HelmValuesError:
            pass
    assert passed == BEYOND_THE_SCHEMA


def paths(values: Object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key of values, and those below it."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


FOR_KUBERNETES = {"podSecurityContext", "securityContext", "strategy"}


@pytest.mark.parametrize(
    ("values", "path"),
    [
        *(({}, (key,)) for key in DEFAULTS),
        *((FULL, path) for path in paths(DEFAULTS) if path[0] not in FOR_KUBERNETES or not path[1:]),
    ],
    ids=lambda part: ".".join(part) if isinstance(part, tuple) else "full" if part else "default",
)
def test_any_key_may_be_null(values: Object, path: tuple[str, ...]) -> None:
    """`config:` with all below it commented out is null, and Helm then deletes the chart's default.

    The schema says that the key is missing, or valid objects come out.
    """
    changed = copy.deepcopy(values)
    section = functools.reduce(lambda mapping, key: mapping.setdefault(key, {}), path[:-1], changed)
    section[path[-1]] = None
    try:
        rendered = objects(changed)
    except helm_python.HelmValuesError as error:
        assert f"missing property '{path[-1]}'" in str(error)  # noqa: PT017 - it may also be good
        return
    for each in rendered:
        check_shape(each)


BAD = {
    "unknown-key": ("replica: 2", "- at '': additional properties 'replica' not allowed"),
    "number-for-text": ("image: {tag: 1.2}", "- at '/image/tag': got number, want string"),
    "digest": ("image: {digest: latest}", "- at '/image/digest': 'latest' does not match pattern '^(sha256:"),
    "config-key": (
        "config: {poll: {intervall: 60s}}",
        "- at '/config/poll': additional properties 'intervall' not allowed",
    ),
    "config-bound": ("config: {poll: {concurrency: 0}}", "- at '/config/poll/concurrency': minimum: got 0, want 1"),
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
    "config-label": ("config: {targets: [{labels: {a-b: x}}]}", "- at '': invalid propertyName 'a-b'"),
    "config-label-taken": ("config: {targets: [{labels: {__x: x}}]}", "- at '': invalid propertyName '__x'"),
    "config-url": (
        "config: {aws: {endpoint_url: not a url}}",
        "- at '/config/aws/endpoint_url': 'not a url' does not match pattern",
    ),
    "config-details": (
        "config: {details: {enabled: perhaps}}",
        "- at '/config/details/enabled': 'perhaps' does not match pattern",
    ),
    "config-tags": (
        "config: {job_series: {tags: ['a*']}}",
        "- at '/config/job_series/tags/0': 'a*' does not match pattern",
    ),
    "shards-and-replicas": ("shards: 2\nreplicas: 2", "a shard has one pod; leave replicas at 1, or shards at 1"),
    "two-configs": ("existingConfigMap: a\nconfig: {poll: {}}", "the configuration stands in one of the two"),
    "two-monitors": (
        "serviceMonitor: {enabled: true}\npodMonitor: {enabled: true}",
        "Prometheus would scrape each pod twice; enable one of the two",
    ),
    "budget-of-none": (
        "podDisruptionBudget: {enabled: true, maxUnavailable: 0%}",
        "maxUnavailable 0 would hold up the draining of a node for ever; 1 never does",
    ),
    "no-selector": ("prometheusRule: {selector: bedrock}", "- at '/prometheusRule/selector': 'bedrock' does not match"),
    "two-budgets": (
        "replicas: 2\npodDisruptionBudget: {enabled: true, minAvailable: 1}",
        "minAvailable can't stand beside maxUnavailable; set maxUnavailable to null",
    ),
}


@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD.keys())
def test_bad_values(values: str, message: str) -> None:
    """Helm says where, what is there, and what is wanted."""
    with pytest.raises(helm_python.HelmError) as caught:
        render(helm_python.values_from_yaml(values))
    assert message in str(caught.value)


def test_every_value_of_the_alerts_is_tried() -> None:
    """The file that promtool checks changes all of them."""
    tried = values_of(CHART / "ci" / "prometheus-rule-values.yaml")["prometheusRule"]
    ours = DEFAULTS["prometheusRule"]
    for default, other in ((ours, tried), (ours["thresholds"], tried["thresholds"])):
        assert default.keys() == other.keys()
        assert [key for key in default if default[key] == other[key]] == []


PAGES = [CHART / "README.md", CHART.parent / "docs" / "kubernetes.md", CHART.parent / "docs" / "eks.md"]


def blocks(page: Path, language: str) -> list[str]:
    """The examples of a page."""
    return re.findall(rf"(?ms)^```{language}\n(.+?)^```$", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_values_are_good(page: Path) -> None:
    """Helm accepts every values file of the documents, and the exporter the configuration in it."""
    examples = [text for text in blocks(page, "yaml") if "scrape_configs:" not in text]
    assert examples
    for text in examples:
        assert len(configs(objects(helm_python.values_from_yaml(text)))) == 1


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_commands_name_what_the_chart_installs(page: Path) -> None:
    """Objects that kubectl is to look at exist if the release is called as in the documents."""
    installed = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects({}, name=NAME)}
    named = set(re.findall(r"(?:deployment|statefulset|service)/bedrock[\w-]*", "".join(blocks(page, "sh"))))
    assert named
    assert named <= installed


@pytest.mark.parametrize("name", ["exporter.yaml", "prometheus-operator.yaml"])
def test_manifests_are_without_helm(name: str) -> None:
    """What is applied by kubectl doesn't mention Helm."""
    text = (CHART.parent / "docs" / "examples" / "kubernetes" / name).read_text(encoding="utf-8")
    assert "helm.sh" not in text
    assert "app.kubernetes.io/managed-by" not in text
    for each in yaml.safe_load_all(text):
        check_shape(each)
