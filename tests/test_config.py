"""`config.yaml` gives a `Config`, or every fault of the file in one go."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.bedrock import known_regions
from exporter.config import _SECTIONS, Config, ConfigError, load, parse_duration
from exporter.model import AccountChoice, AssumeRole, AwsSettings, Budget, Discovery, JobFilter, Schedule, Target

FILES = Path(__file__).parent / "data" / "config"
ENVIRON = {
    "SHORT": "1ms",
    "COUNT": "2",
    "REGION_AREA": "us",
    "EMPTY": "",
    "TRICKY": "a: [${COUNT}",
    "YES": "true",
    "DAY": "2026-01-01",
}
REGIONS = {None: "us-east-1", "research": "eu-west-3"}
"""What the user's AWS set-up has as region, by profile; other profiles have none."""

KNOWN_REGIONS = known_regions()
KNOWN = "known are poll, targets, discovery, job_series, baseline_window, details, aws"


def read(text: str, environ: Mapping[str, str] = ENVIRON) -> Config:
    return load(text, file="config.yaml", environ=environ, default_region=REGIONS.get, known_regions=KNOWN_REGIONS)


def faults_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.faults


def config(**changed: Any) -> Config:
    """What an empty file gives, with changes; the digest is another test's."""
    default: dict[str, Any] = {
        "targets": (Target("targets", "us-east-1"),),
        "discovery": None,
        "schedule": Schedule(interval=60, timeout=45, stale_after=900, concurrency=8),
        "max_pages": 10_000,
        "budget": Budget(retain=14 * 86_400, max_jobs=1000, baseline_window=90 * 86_400),
        "aws": AwsSettings(None, None, connect_timeout=5, read_timeout=20, max_attempts=5),
        "digest": "",
    }
    return Config(**{**default, **changed})


ROLE = AssumeRole("arn:aws:iam::111122223333:role/bedrock-exporter", "exporter")
CHINESE_ROLE = AssumeRole(
    "arn:aws-cn:iam::444455556666:role/deep/path/bedrock+exporter", session_name="prometheus@example"
)
NEW_YEAR = JobFilter(created_after=1_767_225_600)

GOOD = {
    "empty": config(),
    "comment-only": config(),
    "empty-sections": config(),
    "design": config(
        targets=(
            Target("targets[0]", "us-east-1", labels=(("team", ""),)),
            Target("targets[0]", "us-west-2", labels=(("team", ""),)),
            Target(
                "targets[1]",
                "us-west-2",
                "111122223333",
                ROLE,
                labels=(("team", "research"),),
                job_filter=JobFilter(name_contains="prod-", created_within=365 * 86_400),
            ),
        ),
        schedule=Schedule(interval=30, timeout=20, stale_after=5400, concurrency=4),
        max_pages=500,
        budget=Budget(retain=7 * 86_400, max_jobs=0, baseline_window=36 * 3600),
        aws=AwsSettings(
            "https://bedrock.example:8443/base", use_fips=True, connect_timeout=0.25, read_timeout=60.5, max_attempts=1
        ),
    ),
    "targets": config(
        targets=(
            Target("targets[0]", "us-east-1", labels=(("owner", ""), ("stage", ""), ("team", ""))),
            Target(
                "targets[1]",
                "eu-west-3",
                "111122223333",
                profile="research",
                labels=(("owner", ""), ("stage", ""), ("team", "research")),
            ),
            *(
                Target(
                    "targets[2]",
                    region,
                    "444455556666",
                    CHINESE_ROLE,
                    labels=(("owner", "Zoë"), ("stage", ""), ("team", "")),
                )
                for region in ("cn-north-1", "cn-northwest-1")
            ),
            Target("targets[3]", "eu-west-1", labels=(("owner", ""), ("stage", ""), ("team", ""))),
        )
    ),
    "environment": config(
        targets=(
            Target("targets[0]", "us-west-2", labels=(("odd", "a: [${COUNT}"), ("team", "${COUNT} | $COUNT ${}"))),
        ),
        schedule=Schedule(interval=60, timeout=45, stale_after=900, concurrency=2),
        aws=AwsSettings(None, use_fips=True, connect_timeout=5, read_timeout=20, max_attempts=5),
    ),
    "dates": config(
        targets=tuple(
            Target(f"targets[{index}]", region, job_filter=NEW_YEAR)
            for index, region in enumerate(("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1"))
        )
    ),
    "merge-keys": config(
        targets=(
            Target("targets[0]", "us-east-1", labels=(("team", "platform"),)),
            Target("targets[1]", "us-east-1", "111122223333", labels=(("team", "research"),)),
        )
    ),
    "discovery": config(
        targets=(Target("targets[0]", "us-east-1", labels=(("found", ""), ("owner", ""), ("team", "platform"))),),
        discovery=Discovery(
            role_name="deep/path/bedrock+exporter",
            regions=("us-west-2", "us-east-1"),
            external_id="exporter",
            session_name="prometheus@example",
            labels=(("found", "yes"), ("owner", "Zoë"), ("team", "")),
            job_filter=JobFilter(name_contains="prod-"),
            profile="research",
            assume_role=AssumeRole("arn:aws:iam::999988887777:role/list-accounts"),
            organizational_units=("r-ab12", "ou-ab12-34cd56ef"),
            include=AccountChoice(("111122223333",), ("ml-*", "data ?"), (("stage", "prod"), ("team", "*"))),
            exclude=AccountChoice(names=("*-sandbox",)),
            refresh=300,
        ),
    ),
    "discovery-alone": config(targets=(), discovery=Discovery("bedrock-exporter", ("eu-west-3",), profile="research")),
    "discovery-empty": config(),
    "extra-regions": config(
        targets=(Target("targets[0]", "us-east-99"), Target("targets[0]", "mars-north-1")),
        discovery=Discovery("bedrock-exporter", ("us-east-99",)),
    ),
    "partitions": config(
        targets=tuple(
            Target("targets[0]", region)
            for region in ["eu-west-1", "cn-northwest-1", "us-gov-east-1", "us-iso-east-1", "eusc-de-east-1"]
        )
    ),
}


def test_every_good_file_has_its_config_here() -> None:
    """No `*.ok.yaml` lies about untested, and none is missing."""
    assert {path.name.removesuffix(".ok.yaml") for path in FILES.glob("*.ok.yaml")} == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_gives_its_config(name: str) -> None:
    """Every value of a file arrives in its unit, and what is left out has the default of the design."""
    given_ = read((FILES / f"{name}.ok.yaml").read_text(encoding="utf-8"))

    assert given_ == config(**{key: getattr(GOOD[name], key) for key in Config.__slots__} | {"digest": given_.digest})


@pytest.mark.parametrize("path", sorted(FILES.glob("*.bad.yaml")), ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_a_bad_file_gives_exactly_the_messages_at_its_head(path: Path) -> None:
    """Every fault is told in one go, in the order of the file, by file, path, value and wish."""
    text = path.read_text(encoding="utf-8")
    wanted = [line.removeprefix("#: ") for line in text.splitlines() if line.startswith("#: ")]

    assert wanted
    assert faults_of(text) == wanted


def test_any_region_is_good_where_none_are_known() -> None:
    """A caller that hands in no regions has only their form checked."""
    loaded = load("targets: [regions: [mars-north-1]]", file="f", environ={}, default_region=REGIONS.get)

    assert [target.region for target in loaded.targets] == ["mars-north-1"]


def test_a_config_error_reads_as_its_faults() -> None:
    """The text of the exception is all of its faults, a line each."""
    with pytest.raises(ConfigError, match=r"^f: a: unknown key; .*\nf: b: unknown key; .*$"):
        load("{a: 1, b: 2}", file="f", environ={}, default_region=REGIONS.get)


def test_no_region_anywhere_is_a_fault() -> None:
    """An empty file on a machine without a default region says what is missing."""
    with pytest.raises(ConfigError) as caught:
        load("", file="config.yaml", environ={}, default_region=lambda _: None)

    assert caught.value.faults == [
        "config.yaml: targets.regions: no region is given, and neither AWS_REGION nor the AWS configuration has one"
    ]


@pytest.mark.parametrize(
    ("text", "digest"),
    [("", "e3b0c44298fc1c14"), ("poll:\n", "2a0a719676129d7c")],
    ids=["nothing", "something"],
)
def test_the_digest_is_that_of_the_files_text(text: str, digest: str) -> None:
    """Anybody can compare the published hash with `sha256sum config.yaml`."""
    assert read(text).digest == digest


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("a: [", ":1:5: expected the node content, but found '<stream end>'", id="end"),
        pytest.param("\tpoll:", ":1:1: found character '\\t' that cannot start any token", id="tab"),
        pytest.param("poll:\n  \x01", ":2:3: the character '\\x01' is not allowed in YAML", id="control"),
        pytest.param("\x00", ":1:1: the character '\\x00' is not allowed in YAML", id="nul"),
        pytest.param("poll: \ud800", ":1:7: the character '\\ud800' is not allowed in YAML", id="surrogate"),
        pytest.param("--- 1\n--- 2", ":2:1: but found another document", id="two-documents"),
        pytest.param(
            "%YAML 9.1\n---\na: b", ":1:1: found incompatible YAML document (version 1.* is required)", id="version"
        ),
        pytest.param("poll: *there", ":1:7: found undefined alias 'there'", id="undefined-alias"),
        pytest.param("? [a]\n: b", ":1:3: a key that is not text", id="list-as-key"),
        pytest.param("? {a: b}\n: b", ":1:3: a key that is not text", id="mapping-as-key"),
        pytest.param("1: 2", ":1:1: the key '1' is not text; put it in quotes", id="number-as-key"),
        pytest.param("~: 2", ":1:1: the key '~' is not text; put it in quotes", id="null-as-key"),
        pytest.param("? !!binary aGk=\n: x", ":1:3: the key 'aGk=' is not text; put it in quotes", id="bytes-as-key"),
        pytest.param("2026-01-01: x", ":1:1: the key '2026-01-01' is not text; put it in quotes", id="date-as-key"),
        pytest.param("<<: 3", ":1:5: expected a mapping or list of mappings for merging, but found scalar", id="merge"),
        pytest.param("<<: [1]", ":1:6: expected a mapping for merging, but found scalar", id="merge-list"),
        pytest.param(
            "{<<: {a: 1}, <<: {b: 1}}",
            ":1:14: the key '<<' stands in this mapping for the second time",
            id="merge-twice",
        ),
        pytest.param(
            "!!python/object:os.system {}",
            ":1:1: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
            id="python-object",
        ),
        pytest.param("poll: !mine x", ":1:7: could not determine a constructor for the tag '!mine'", id="own-tag"),
        pytest.param("a: 2026-99-01", ":1:4: '2026-99-01' is no timestamp", id="no-such-month"),
        pytest.param("a: !!timestamp x", ":1:4: 'x' is no timestamp", id="timestamp"),
        pytest.param("a: !!bool x", ":1:4: 'x' is no bool", id="bool"),
        pytest.param("a: !!int ''", ":1:4: '' is no int", id="int"),
        pytest.param(f"a: {'9' * 5000}", f":1:4: '{'9' * 79} is no int", id="endless-int"),
        pytest.param(f"a: {'1:' * 400}1.5", f":1:4: '{'1:' * 39}1 is no float", id="endless-float"),
        pytest.param("poll: &me {interval: *me}", ": is nested too deeply, or holds an alias of itself", id="loop"),
        pytest.param("targets: &me [*me]", ": is nested too deeply, or holds an alias of itself", id="list-loop"),
        pytest.param("[" * 2000, ": is nested too deeply, or holds an alias of itself", id="depth"),
        pytest.param("[" * 900 + "]" * 900, ": is nested too deeply, or holds an alias of itself", id="closed-depth"),
        pytest.param("!!set {a}", ": {'a'} is not a mapping", id="set"),
        pytest.param("!!omap [a: b]", ": [('a', 'b')] is not a mapping", id="ordered-mapping"),
        pytest.param("just text", ": 'just text' is not a mapping", id="text"),
        pytest.param("2026-01-01", ": datetime.date(2026, 1, 1) is not a mapping", id="date"),
        pytest.param("=: 3", f": =: unknown key; {KNOWN}", id="value-key"),
        pytest.param('"a\\nb": 3', f": 'a\\nb': unknown key; {KNOWN}", id="line-feed-in-key"),
        pytest.param('"\\ud800": 3', ": '\\ud800' is not Unicode text", id="surrogate-in-key"),
        pytest.param(
            'targets: [{labels: {team: "\\ud800"}}]',
            ": targets[0].labels.team: '\\ud800' is not Unicode text",
            id="surrogate-in-value",
        ),
        pytest.param(
            "{a: &a {k: 1}, b: {c: {d: &d {<<: *a, k: 2}}, k: 1}, poll: {<<: *d, k: 3}}",
            f": a: unknown key; {KNOWN}",
            id="merge-of-a-deeper-merge",
        ),
    ],
)
def test_odd_yaml_is_a_fault_with_its_place(text: str, fault: str) -> None:
    """Whatever YAML can spell that a configuration is not, gets a message of one line and no traceback."""
    assert faults_of(text)[0] == f"config.yaml{fault}"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("45s", 45),
        ("15m", 900),
        ("1h30m", 5400),
        ("14d", 1_209_600),
        ("2w", 1_209_600),
        ("1.5h", 5400),
        ("0s", 0),
        ("36500d", 3_153_600_000),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """A duration is one or more numbers with a unit each."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value",
    ["", "5", "s", "5 s", "-5s", "+5s", "5S", "5s ", "5s\n", "1e3s", ".5s", "\u0665s", "1y", "36501d", 5, 5.0, None],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    """Nothing is guessed: no unit, no sign, no space, no other script's digits, nothing over a century."""
    with pytest.raises(ValueError, match=r"is not a duration such as 45s, 15m, 1h30m or 14d$|is more than 36500d$"):
        parse_duration(value)


def test_a_substituted_value_is_not_substituted_again() -> None:
    """What a variable holds is data: neither its YAML nor its own `${}` counts."""
    loaded = read("targets: [{labels: {a: '${A}'}}]", {"A": "${A}\n- b: c"})

    assert loaded.targets[0].labels == (("a", "${A}\n- b: c"),)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.text(max_size=8)
    | st.sampled_from(["60s", "1ms", "${COUNT}", "${NOT_SET}", "$${COUNT}", "us-east-1", "111122223333", "2026-01-01"])
    | st.binary(max_size=3)
)
WORDS = """
    poll targets job_series baseline_window details aws interval stale_after timeout regions assume_role role_arn
    labels filter created_within created_after max_jobs tags discovery organizations role_name include exclude names
    extra_regions
"""
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=4)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=12,
)


def outcome(text: str) -> Config | list[str]:
    try:
        return read(text)
    except ConfigError as error:
        return error.faults


def is_good_or_explained(outcome: Config | list[str]) -> bool:
    if isinstance(outcome, Config):
        return bool(outcome.targets or outcome.discovery)
    one_line_each = all(fault.startswith("config.yaml:") and len(fault.splitlines()) == 1 for fault in outcome)
    return bool(outcome) and one_line_each and len(set(outcome)) == len(outcome)


@settings(deadline=None, max_examples=100)
@given(document=ANYTHING | st.dictionaries(KEYS, ANYTHING, max_size=5))
def test_any_yaml_document_gives_a_config_or_its_faults(document: object) -> None:
    """No document gets past the faults as a traceback, and each fault is one line that starts with the file."""
    assert is_good_or_explained(outcome(yaml.dump(document, allow_unicode=True)))


@settings(deadline=None, max_examples=100)
@given(text=st.text(alphabet=st.sampled_from("poltarges: -?[]{}#&*!|>'\"%@`,\n<=~0128.${}"), max_size=40) | st.text())
def test_any_text_gives_a_config_or_its_faults(text: str) -> None:
    """No text, YAML or not, gets past the faults as a traceback."""
    assert is_good_or_explained(outcome(text))


UNFOLDED = "up to here, aliases counted as often as they are used"
TENFOLD = "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 10)}]\n" for i in range(1, 9))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param(f"k0: &k0 [x]\n{TENFOLD}", f":7:10: more than 250000 values {UNFOLDED}", id="lists"),
        pytest.param(
            "k0: &k0 {a: 1}\n" + TENFOLD.replace("[", "{<<: [").replace("]", "]}"),
            f":6:45: more than 250000 values {UNFOLDED}",
            id="merges",
        ),
        pytest.param(
            f"a: &a '{'x' * 1_000_000}'\nb: [{'*a, ' * 100_000}]",
            f":2:65: more than 16777216 characters {UNFOLDED}",
            id="long-text",
        ),
    ],
)
def test_a_file_that_unfolds_without_end_is_refused(text: str, fault: str) -> None:
    """Aliases of aliases, which grow to gigabytes where they are followed, are counted instead."""
    assert faults_of(text) == [f"config.yaml{fault}"]


def test_nodes_are_counted_without_aliases_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key, value, list and mapping is one; the limit itself is good."""
    monkeypatch.setattr("exporter.config._MAX_NODES", 5)

    assert faults_of("a: [1, 2]") == [f"config.yaml: a: unknown key; {KNOWN}"]
    assert faults_of("a: [1, 2, 3]") == [f"config.yaml:1:11: more than 5 values {UNFOLDED}"]


def test_aliases_within_the_limit_are_good() -> None:
    """What is used a few times is no attack."""
    loaded = read("targets: [{regions: [us-east-1], labels: &l {team: a}}, {regions: [us-west-2], labels: *l}]")

    assert [target.labels for target in loaded.targets] == [(("team", "a"),)] * 2


LONG = 100_000
NASTY = {
    "dashes": "-" * LONG + "_",
    "a-and-dashes": "a" + "-" * LONG + "_",
    "letters": "a" * LONG + "!",
    "digits": "1" * LONG + "!",
    "spaces": " " * LONG + "!",
    "pluses": "+" * LONG + "!",
    "durations": "1m" * (LONG // 2) + "!",
    "decimals": "1." * (LONG // 2) + "!",
    "slashes": "arn:aws:iam::111122223333:role/" + "a/" * (LONG // 2) + "!",
    "partition": "arn:aws" + "-a" * (LONG // 2) + "!",
    "region": "us" + "-a" * (LONG // 2) + "!",
    "unit": "ou-" + "a" * LONG,
    "variables": "${a" * (LONG // 3) + "!",
    "dollars": "$" * LONG + "{",
    "url": "https://" + "[" * LONG,
    "moment": "2026-01-01T" + "0" * LONG + "!",
}
PLACES = {
    "interval": "poll: {interval: HERE}",
    "concurrency": "poll: {concurrency: HERE}",
    "region": "targets: [{regions: [HERE]}]",
    "new-region": "aws: {extra_regions: [HERE]}",
    "role": "targets: [{assume_role: {role_arn: HERE}}]",
    "external-id": "targets: [{assume_role: {role_arn: x, external_id: HERE}}]",
    "session": "targets: [{assume_role: {role_arn: x, session_name: HERE}}]",
    "account": "targets: [{account_id: HERE}]",
    "label": "targets: [{labels: {HERE: x}}]",
    "label-value": "targets: [{labels: {x: HERE}}, {regions: [x]}]",
    "name-part": "targets: [{filter: {name_contains: HERE}}]",
    "moment": "targets: [{filter: {created_after: HERE}}]",
    "role-name": "discovery: {organizations: {role_name: HERE}}",
    "unit": "discovery: {organizations: {role_name: x, organizational_units: [HERE]}}",
    "url": "aws: {endpoint_url: HERE}",
    "flag": "aws: {use_fips: HERE}",
    "key": "{HERE: x}",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", NASTY)
def test_no_pattern_backtracks(place: str, value: str) -> None:
    """A hundred thousand characters that almost match are refused at once, whatever they are meant to be.

    A pattern that backtracks holds the interpreter, and with it every scrape, for longer than a test can wait.
    """
    text = PLACES[place].replace("HERE", yaml.dump(NASTY[value], default_style="'", width=10**9).strip())
    if place in {"key", "label"}:
        text = text.replace("{'", "{? '")  # a key of more than 1024 characters has to be called one

    assert faults_of(text)


@pytest.mark.parametrize("length", range(20, 62, 7))
def test_a_name_part_of_dashes_is_refused_at_once(length: int) -> None:
    """Of the lengths that are allowed, too, of which forty would take a pattern that backtracks a lifetime."""
    text = "a" + "-" * length + "_"

    assert faults_of(f"targets: [{{regions: [us-east-1], filter: {{name_contains: {text}}}}}]") == [
        (
            f"config.yaml: targets[0].filter.name_contains: {text!r} is not part of a job name "
            "(letters, digits, '-', '+' and '.')"
        )
    ]


@pytest.mark.parametrize("text", ["a", "a-", "a--b", "7+.-", "prod-", "a" * 63, "a" + "-" * 62])
def test_name_parts_that_are_good(text: str) -> None:
    """The API's pattern and length, in a spelling that can't backtrack."""
    (target,) = read(f"targets: [{{regions: [us-east-1], filter: {{name_contains: '{text}'}}}}]").targets

    assert target.job_filter.name_contains == text


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (f"targets: [{'1, ' * 20_000}]", 20_000),
        (f"targets: [{'{regions: []}, ' * 20_000}]", 20_000),
        ("".join(f"k{number}: 1\n" for number in range(20_000)), 20_000),
        (f"discovery: {{organizations: {{role_name: a, regions: [{'us-east-1, ' * 20_000}]}}}}", 19_999),
        (f"a: {'1:' * 100_000}1", 1),
        (f"poll: {{concurrency: 0x{'f' * 5000}}}", 1),
    ],
    ids=["entries", "empty-lists", "keys", "regions", "sexagesimal", "hexadecimal"],
)
def test_a_file_full_of_faults(text: str, faults: int) -> None:
    """Twenty thousand faults are told without comparing each to each; a number without end is no number."""
    assert len(faults_of(text)) == faults


def test_the_shipped_file_has_every_key() -> None:
    """Whoever reads config.yaml knows all that can be configured; what is not ready yet is not there."""
    text = (Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8")
    not_ready = {"tags", "details"}
    keys = {name for section in set(_SECTIONS.values()) for name in section.model_fields} - not_ready
    assert len(keys) > 30
    assert {key for key in keys if not re.search(rf"\b{key}:", text)} == set()
