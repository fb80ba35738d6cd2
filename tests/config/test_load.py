"""`config.yaml` gives a `Config`, or every fault of the file at once."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.bedrock.settings import AwsSettings
from exporter.config.config import Config, ConfigError
from exporter.config.messages import MAX_FAULTS
from exporter.config.resolve import MAX_LABELS, load
from exporter.config.schema import File
from exporter.config.variables import MAX_CHARACTERS
from exporter.fleet.schedule import Schedule
from exporter.jobs.details import OFF, DetailSettings
from exporter.jobs.snapshot import Budget
from exporter.targets.accounts import AccountChoice, Discovery
from exporter.targets.target import AssumeRole, JobFilter, Target

ROOT = Path(__file__).parents[2]
FILES = ROOT / "tests" / "data" / "config"
SECRET = "hunter2"
ENVIRON = {
    "SHORT": "1ms",
    "COUNT": "2",
    "REGION_AREA": "us",
    "EMPTY": "",
    "TRICKY": "a: [${COUNT}",
    "YES": "true",
    "DAY": "2026-01-01",
    "SECRET": SECRET,
    "ACCOUNT": "444455556666",
    "ROLE": SECRET,
    "CHINA": "cn-north-1",
    "NOT_UTF8": f"{SECRET}\udce9",
}
KNOWN_REGIONS = frozenset(
    [
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-west-3", "ap-southeast-2"),
        *("cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"),
    ]
)


def default_region(profile: str | None) -> str | None:
    """The region of a user's AWS configuration, by profile."""
    if profile == SECRET:
        raise ValueError(f"The config profile ({profile}) could not be found")
    return {None: "us-east-1", "research": "eu-west-3"}.get(profile)


def read(text: bytes | str, environ: Mapping[str, str] = ENVIRON) -> Config:
    return load(text, file="config.yaml", environ=environ, default_region=default_region, known_regions=KNOWN_REGIONS)


def faults_of(text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, environ)
    return caught.value.faults


def config(**changed: Any) -> Config:
    """What an empty file gives, with changes; the digest has a test of its own."""
    default: dict[str, Any] = {
        "targets": (Target("targets", "us-east-1"),),
        "discovery": None,
        "schedule": Schedule(interval=60, timeout=45, stale_after=900, concurrency=8, max_pages=2000),
        "budget": Budget(retain=14 * 86_400, max_jobs=1000, baseline_window=90 * 86_400),
        "details": OFF,
        "aws": AwsSettings(None, None, connect_timeout=5, read_timeout=20, max_attempts=5),
        "digest": "",
    }
    return Config(**{**default, **changed})


ROLE = AssumeRole("arn:aws:iam::111122223333:role/bedrock-exporter", "exporter")
CHINESE_ROLE = AssumeRole(
    "arn:aws-cn:iam::444455556666:role/deep/path/bedrock+exporter", session_name="prometheus@example"
)
NEW_YEAR = JobFilter(created_after=1_767_225_600)
OWNER = (("owner", ""), ("stage", ""), ("team", ""))

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
        schedule=Schedule(interval=30, timeout=20, stale_after=5400, concurrency=4, max_pages=500),
        budget=Budget(retain=7 * 86_400, max_jobs=0, baseline_window=36 * 3600),
        aws=AwsSettings(
            "https://bedrock.example:8443/base", use_fips=True, connect_timeout=0.25, read_timeout=60.5, max_attempts=1
        ),
    ),
    "details": config(
        targets=(Target("targets[0]", "us-east-1"),),
        details=DetailSettings(
            enabled=True,
            running=True,
            calls_per_walk=5,
            calls_per_second=0.5,
            hyperparameters=("epochCount",),
            failure_reasons=(("license", "licence"),),
            tags=(("team", "tag_team"), ("cost-center", "tag_cost_center")),
        ),
    ),
    "targets": config(
        targets=(
            Target("targets[0]", "us-east-1", labels=OWNER),
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
            Target("targets[3]", "eu-west-1", labels=OWNER),
        )
    ),
    "anchors": config(targets=(Target("targets[0]", "us-west-2", "111122223333", ROLE),)),
    "environment": config(
        targets=(
            Target("targets[0]", "us-west-2", labels=(("odd", "a: [${COUNT}"), ("team", "${COUNT} | $COUNT ${}"))),
        ),
        schedule=Schedule(interval=60, timeout=45, stale_after=900, concurrency=2, max_pages=2000),
        aws=AwsSettings(None, use_fips=True, connect_timeout=5, read_timeout=20, max_attempts=5),
    ),
    "dates": config(
        targets=tuple(
            Target(f"targets[{index}]", region, job_filter=NEW_YEAR)
            for index, region in enumerate(("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1"))
        )
    ),
    "aliases": config(
        targets=(
            Target("targets[0]", "us-east-1", labels=(("stage", "prod"), ("team", "platform"))),
            Target("targets[1]", "us-west-2", "111122223333", labels=(("stage", ""), ("team", ""))),
            Target(
                "targets[2]",
                "eu-west-1",
                "111122223333",
                profile="training",
                labels=(("stage", "prod"), ("team", "platform")),
            ),
            Target("targets[3]", "eu-west-2", labels=(("stage", "prod"), ("team", "research"))),
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
        targets=(
            *(
                Target("targets[0]", region)
                for region in ["eu-west-1", "cn-northwest-1", "us-gov-east-1", "us-iso-east-1", "eusc-de-east-1"]
            ),
            Target("targets[1]", "us-iso-east-1", "111122223333", AssumeRole("arn:aws-iso:iam::111122223333:role/a")),
        )
    ),
}


def test_every_good_file_has_its_config_here() -> None:
    """No `*.ok.yaml` goes untested."""
    assert {path.name.removesuffix(".ok.yaml") for path in FILES.glob("*.ok.yaml")} == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_gives_its_config(name: str) -> None:
    """Every value arrives in its unit; what is left out has the default of the design."""
    given_ = read((FILES / f"{name}.ok.yaml").read_bytes())

    assert given_ == config(**{key: getattr(GOOD[name], key) for key in Config.__slots__} | {"digest": given_.digest})


@pytest.mark.parametrize("path", sorted(FILES.glob("*.bad.yaml")), ids=lambda path: path.name.removesuffix(".bad.yaml"))
def test_a_bad_file_gives_exactly_the_messages_at_its_head(path: Path) -> None:
    """Every fault at once, in the order of the file, with file, line, path, value and what is expected."""
    text = path.read_text(encoding="utf-8")
    expected = [line.removeprefix("#: ") for line in text.splitlines() if line.startswith("#: ")]

    assert expected
    assert faults_of(text) == expected
    assert SECRET not in str(expected)


def test_a_config_error_reads_as_its_faults() -> None:
    """The text of the exception is all faults, a line each."""
    assert (
        str(ConfigError(["f:1: a: unknown key", "f:2: b: unknown key"])) == "f:1: a: unknown key\nf:2: b: unknown key"
    )


@pytest.mark.parametrize(
    ("text", "digest"),
    [("", "e3b0c44298fc1c14"), ("poll:\n", "2a0a719676129d7c")],
    ids=["nothing", "something"],
)
def test_the_digest_is_that_of_the_files_content(text: str, digest: str) -> None:
    """Anybody can compare the published hash with `sha256sum config.yaml`."""
    assert read(text).digest == read(text.encode()).digest == digest


def test_many_faults_are_cut_short() -> None:
    """The first ones in the file, and the number of the rest."""
    keys = [f"k{number}:\n" for number in range(MAX_FAULTS + 1234)]
    found = faults_of("".join(keys))

    assert len(faults_of("".join(keys[:MAX_FAULTS]))) == MAX_FAULTS
    assert len(found) == MAX_FAULTS + 1
    assert found[0].startswith("config.yaml:1: k0: unknown key;")
    assert found[-2].startswith(f"config.yaml:{MAX_FAULTS}: k{MAX_FAULTS - 1}: unknown key;")
    assert found[-1] == "config.yaml: 1,234 more faults"


def test_a_message_shortens_what_it_quotes() -> None:
    """A message about a large value or key is no longer than a line or two."""
    long = "x" * 100_000
    found = faults_of(f"poll: [{'[a], ' * 99}]\n? {long}\n: 1\naws: {{use_fips: {long}}}\ndetails: [[[[[1]]]]]")

    assert [len(fault) < 300 for fault in found] == [True] * 4
    assert found[0] == "config.yaml:1: poll: [['a'], ['a'], ['a'], ['a'], ...] is not a mapping"
    assert found[3] == "config.yaml:5: details: [[[[...]]]] is not a mapping"


def test_label_names_are_bounded() -> None:
    """Every target has every label, so that many names times many targets would fill the memory."""

    def text(names: int) -> str:
        return "targets:\n" + "".join(f"- {{account_id: '{n:012}', labels: {{a{n}: x}}}}\n" for n in range(names))

    assert len(read(text(MAX_LABELS)).targets[0].labels) == MAX_LABELS
    assert faults_of(text(MAX_LABELS + 1)) == [
        "config.yaml:1: targets: the labels have 101 different names, more than 100; every series has all of them"
    ]


def test_a_substituted_value_is_not_substituted_again() -> None:
    """What a variable holds is data: neither its YAML nor its own `${}` counts."""
    loaded = read("targets: [{labels: {a: '${A}'}}]", {"A": "${A}\n- b: c"})

    assert loaded.targets[0].labels == (("a", "${A}\n- b: c"),)


def test_substituted_values_are_bounded() -> None:
    """A long variable that is named often is refused before it fills the memory."""
    text = f"targets: [{{regions: [us-east-1], profile: '{'${A}' * 50}'}}]"

    assert faults_of(text, {"A": "x" * (MAX_CHARACTERS // 50)}) == [
        "config.yaml:1: targets[0].profile: the values with variables are longer than 4,194,304 characters together"
    ]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.text(max_size=8)
    | st.sampled_from(
        ["60s", "1ms", "${COUNT}", "${NOT_SET}", "a${SECRET}", "$${COUNT}", "us-east-1", "111122223333", "2026-01-01"]
    )
    | st.binary(max_size=3)
)
WORDS = """
    poll targets job_series baseline_window details aws interval stale_after timeout regions assume_role role_arn
    labels filter created_within created_after max_jobs tags discovery organizations role_name include exclude names
    extra_regions profile account_id external_id endpoint_url
"""
KEYS = st.sampled_from(WORDS.split()) | st.text(max_size=4)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=12,
)


def is_good_or_explained(text: str) -> bool:
    try:
        loaded = read(text)
        return bool(loaded.targets or loaded.discovery)
    except ConfigError as error:
        one_line_each = all(fault.startswith("config.yaml:") and len(fault.splitlines()) == 1 for fault in error.faults)
        without_secret = SECRET not in str(error)
        return bool(error.faults) and one_line_each and without_secret and len(set(error.faults)) == len(error.faults)


@settings(deadline=None, max_examples=100)
@given(document=ANYTHING | st.dictionaries(KEYS, ANYTHING, max_size=5))
def test_any_yaml_document_gives_a_config_or_its_faults(document: object) -> None:
    """No document causes a traceback; each fault is one line that starts with the file and has no variable's value."""
    assert is_good_or_explained(yaml.dump(document, allow_unicode=True))


@settings(deadline=None, max_examples=100)
@given(text=st.text(alphabet=st.sampled_from("poltarges: -?[]{}#&*!|>'\"%@`,\n<=~0128.${}"), max_size=40) | st.text())
def test_any_text_gives_a_config_or_its_faults(text: str) -> None:
    """No text, YAML or not, causes a traceback."""
    assert is_good_or_explained(text)


def test_the_shipped_file_has_every_key_and_its_default() -> None:
    """config.yaml shows all that can be configured, and its values are what is assumed without them."""
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    schema = File.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    keys = {name for section in sections for name in section["properties"]}
    shipped = read(text)

    assert len(keys) > 30
    assert {key for key in keys if not re.search(rf"\b{key}:", text)} == set()
    assert shipped == config(targets=shipped.targets, digest=shipped.digest)
