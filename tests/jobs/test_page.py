"""Snapshots become a page of `/metrics` that scrapers can read, in the format that they ask for."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import prometheus_client
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jobs.make import ACCOUNT, DAY, HOUR, NOW, at, details, job, snapshot_of, subtask
from prometheus_client import core
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from exporter.jobs.families import JOB_FAMILIES, SNAPSHOT_FAMILIES, Family, JobSeries, Sample, Since
from exporter.jobs.job import Job
from exporter.jobs.page import Format, accepts_gzip, compose, compress, header, negotiate
from exporter.jobs.snapshot import DurationSummary, Snapshot
from exporter.jobs.text import FamilyText, Text, escape, render, render_snapshot
from exporter.labels import Labels

FAMILIES: tuple[Family[Any], ...] = (*SNAPSHOT_FAMILIES, *JOB_FAMILIES)
both_formats = pytest.mark.parametrize("format_", list(Format), ids=["text", "openmetrics"])


# Blocks

ONE: Family[Any] = Family("one", "gauge", "Help.", iter, ("own",))
TWO: Family[Any] = Family("two", "gauge", "Help.", iter, ("own",))


def test_render() -> None:
    """A sample has the labels of its target and its own; one whose value grows is a line with a place for it."""
    samples = [Sample(1), Sample(2.5, ("50 %",), "_sum"), Sample(Since(NOW), ("50 %",)), Sample(Since(NOW + 1), ("b",))]
    text = render([ONE], (("team", "100 %"),), samples)
    assert text == {
        "one": FamilyText(
            b'one{team="100 %"} 1\none_sum{team="100 %",own="50 %"} 2.5\n',
            b'one{team="100 %%",own="50 %%"} %.3f\none{team="100 %%",own="b"} %.3f\n',
            (NOW, NOW + 1),
        )
    }
    assert render([ONE, TWO], (), []) == {}


def test_compose() -> None:
    """A family is one block, whatever the number of targets; what grows is filled in; without samples there is none."""
    texts: list[Text] = [
        {"two": FamilyText(b"two 1\n"), "one": FamilyText(b"", b"one{a} %.3f\n", (NOW,))},
        {"one": FamilyText(b"one{b} 3\n", b'one{c="%%"} %.3f\n', (NOW + 9,))},
    ]
    three = replace(TWO, name="three")
    assert b"".join(compose([ONE, three, TWO], texts, Format.TEXT, NOW + 1.5)) == (
        b"# HELP one Help.\n# TYPE one gauge\n"
        b'one{b} 3\none{a} 1.500\none{c="%"} 0.000\n'
        b"# HELP two Help.\n# TYPE two gauge\n"
        b"two 1\n"
    )


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        (Format.TEXT, '# HELP a_seconds_total One \\\\ two "\\n".\n# TYPE a_seconds_total counter\n'),
        (
            Format.OPENMETRICS,
            '# HELP a_seconds One \\\\ two \\"\\n\\".\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n',
        ),
    ],
    ids=["text", "openmetrics"],
)
def test_header(format_: Format, text: str) -> None:
    """HELP is escaped as its format wants it; OpenMetrics drops _total and has units."""
    assert header("a_seconds_total", "counter", 'One \\ two "\n".', format_).decode() == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("plain é 😀 {} %s", "plain é 😀 {} %s", id="nothing-to-escape"),
        pytest.param('say "hi"', r"say \"hi\"", id="quotes"),
        pytest.param("a\\b\n", r"a\\b\n", id="backslash-and-line-feed"),
        pytest.param("\\n", r"\\n", id="backslash-before-n"),
        pytest.param("a\r\t\0\u2028b", "a\r\t\0\u2028b", id="other-control-characters"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    """Backslash, quote and line feed are escaped, and nothing else."""
    assert escape(text) == escaped


# Whatever AWS sends

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from('"\\\n\r%{}, #=\0'), min_size=1, max_size=9)
TIMES = st.none() | st.floats(-90 * DAY, DAY).map(at)
PARTS = st.none() | st.builds(
    subtask,
    st.sampled_from(["NotStarted", "InProgress", "Completed"]) | TEXTS,
    st.none() | st.floats(-DAY, DAY),
    st.none() | st.floats(-DAY, DAY),
)
JOBS = st.builds(
    job,
    TEXTS,
    job_name=TEXTS,
    status=st.sampled_from(["InProgress", "Completed", "Failed"]) | TEXTS,
    customization_type=st.sampled_from(["FINE_TUNING", "IMPORTED"]) | TEXTS,
    base_model_arn=st.just("") | TEXTS,
    custom_model_name=st.just("") | TEXTS,
    creation_time=st.floats(-90 * DAY, DAY).map(at),
    last_modified_time=TIMES,
    end_time=TIMES,
    status_details=st.none() | st.builds(details, PARTS, PARTS, PARTS),
)
TARGETS = st.tuples(TEXTS, st.lists(JOBS, max_size=4))
NASTY = job('"\\\n%s', job_name="%d%%\r\0", status="\u2028\x85\x1c", base_model_arn='/"\\\n')


def labels_of(number: int, team: str) -> Labels:
    return (("aws_account_id", str(int(ACCOUNT) + number)), ("team", team))


class Oracle:
    """The same as a prometheus_client collector, for its own renderer."""

    def __init__(self, targets: Sequence[tuple[Labels, Snapshot]], now: float) -> None:
        self._targets = targets
        self._now = now

    def collect(self) -> Iterator[core.Metric]:
        kinds: dict[str, Any] = {"gauge": core.GaugeMetricFamily, "summary": core.SummaryMetricFamily}
        for family in FAMILIES:
            metric = kinds[family.kind](family.name, family.help)
            for common, subject in self._subjects(family):
                for sample in family.samples(subject):
                    value = sample.value
                    number = round(max(0.0, self._now - value.timestamp), 3) if isinstance(value, Since) else value
                    own = dict(zip((*family.labels, "quantile"), sample.labels, strict=False))
                    metric.add_sample(family.name + sample.suffix, {**common, **own}, number)
            yield metric

    def _subjects(self, family: Family[Any]) -> Iterator[tuple[dict[str, str], Any]]:
        for labels, snapshot in self._targets:
            if family in SNAPSHOT_FAMILIES:
                yield dict(labels), snapshot
                continue
            for one in snapshot.job_series:
                of_job = {"job_id": one.id, "job_name": one.job_name, "customization_type": one.customization_type}
                yield dict(labels) | of_job, JobSeries(one, one.subtasks, snapshot)


RENDERERS: dict[Format, tuple[bytes, Any]] = {
    Format.TEXT: (b"", prometheus_client.generate_latest),
    Format.OPENMETRICS: (b"# EOF\n", openmetrics_exposition.generate_latest),
}


def parsed(page: bytes, format_: Format) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The series of a page as prometheus_client reads it; no series is there twice, and none is lost."""
    parsers: dict[Format, Any] = {
        Format.TEXT: text_string_to_metric_families,
        Format.OPENMETRICS: openmetrics_parser.text_string_to_metric_families,
    }
    samples = [sample for family in parsers[format_](page.decode()) for sample in family.samples]
    series = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}
    assert len(series) == len(samples) == sum(not line.startswith(b"#") for line in page.split(b"\n") if line)
    return series


@both_formats
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(targets=st.lists(TARGETS, max_size=3), seconds=st.floats(-30 * DAY, 400 * DAY))
@example(targets=[('50 % "\\\n', [NASTY]), ("", [])], seconds=0)
def test_prometheus_client_agrees(format_: Format, targets: list[tuple[str, list[Job]]], seconds: float) -> None:
    """Whatever AWS sends, prometheus_client reads the same series from our page as from its own."""
    told = [(labels_of(number, team), snapshot_of(*jobs)) for number, (team, jobs) in enumerate(targets)]
    page = b"".join(compose(FAMILIES, [dict(render_snapshot(*each)) for each in told], format_, NOW + seconds))
    end, generate = RENDERERS[format_]
    theirs = parsed(generate(Oracle(told, NOW + seconds)), format_)
    assert parsed(page + end, format_) == pytest.approx(theirs, rel=0, abs=0.0011)


def test_summary_without_quantiles() -> None:
    """Peers that have nothing in common have a sum and a count."""
    snapshot = replace(snapshot_of(), completed={("other", "IMPORTED"): DurationSummary(2, 9.5, None, None)})
    name = "bedrock_model_customization_completed_job_duration_seconds"
    assert dict(render_snapshot((("a", "b"),), snapshot))[name].fixed.decode().splitlines() == [
        f'{name}_sum{{a="b",base_model="other",customization_type="IMPORTED"}} 9.5',
        f'{name}_count{{a="b",base_model="other",customization_type="IMPORTED"}} 2',
    ]


# gzip


@pytest.mark.parametrize("jobs", [0, 1, 2000])
def test_gzip(jobs: int) -> None:
    """The compressed page is one gzip member, the same each time, and a large page becomes much smaller."""
    snapshot = snapshot_of(*(job(str(number), last_modified_time=at(-HOUR)) for number in range(jobs)))
    pieces = list(compose(FAMILIES, [dict(render_snapshot((), snapshot))], Format.TEXT, NOW))
    page, packed = b"".join(pieces), compress(pieces)
    unpacker = zlib.decompressobj(wbits=31)
    assert unpacker.decompress(packed) + unpacker.flush() == page
    assert (unpacker.eof, unpacker.unused_data) == (True, b"")
    assert len(packed) * 10 < len(page) or jobs < 2000
    assert compress(pieces) == packed


@given(st.lists(st.binary()))
def test_gzip_of_anything(pieces: list[bytes]) -> None:
    """Any body comes out as it went in."""
    assert gzip.decompress(compress(pieces)) == b"".join(pieces)


# What the scraper asks for


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        pytest.param(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format.OPENMETRICS,
            id="Prometheus-2.42",
        ),
        pytest.param(
            "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            Format.OPENMETRICS,
            id="Prometheus-2.5",
        ),
        pytest.param(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Format.OPENMETRICS,
            id="Prometheus-3-with-native-histograms",
        ),
        pytest.param("text/plain;version=0.0.4;q=0.3,*/*;q=0.2", Format.TEXT, id="Prometheus-told-to-use-text"),
        pytest.param(
            "application/openmetrics-text;version=0.0.1;q=0.2,text/plain;q=0.3", Format.TEXT, id="rather-text"
        ),
        pytest.param("text/html,application/xhtml+xml,*/*;q=0.8", Format.TEXT, id="browser"),
        pytest.param("*/*", Format.TEXT, id="curl"),
        pytest.param("", Format.TEXT, id="none"),
        pytest.param("application/openmetrics-text", Format.OPENMETRICS, id="any-version"),
        pytest.param("APPLICATION/OpenMetrics-Text ; Version=1.0.0 ; Q=0.5", Format.OPENMETRICS, id="capitals-spaces"),
        pytest.param("application/openmetrics-text;version=2.0.0", Format.TEXT, id="unsupported-version"),
        pytest.param("application/openmetrics-text;q=0", Format.TEXT, id="refused"),
        pytest.param("application/openmetrics-text;q=0.5,text/plain;q=0.5", Format.OPENMETRICS, id="equal"),
        pytest.param("application/openmetrics-text;q=0.4,text/*;q=0.5", Format.TEXT, id="rather-any-text"),
        pytest.param("application/openmetrics-text;q=much", Format.TEXT, id="q-is-not-a-number"),
        pytest.param("application/openmetrics-text;q=nan", Format.TEXT, id="q-is-nan"),
        pytest.param("application/openmetrics-text;q=", Format.TEXT, id="q-is-empty"),
        pytest.param(";;;,=,;q=1;q,\x00", Format.TEXT, id="nonsense"),
    ],
)
def test_negotiate(accept: str, format_: Format) -> None:
    """OpenMetrics is for those who name it with a q-value of at least text's; text is for all others."""
    assert negotiate(accept) is format_


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        pytest.param("gzip", True, id="Prometheus"),
        pytest.param("gzip, deflate, br, zstd", True, id="browser"),
        pytest.param("deflate, GZIP;q=0.5", True, id="capitals-and-q"),
        pytest.param("x-gzip", True, id="old-name"),
        pytest.param("gzip;q=0.001", True, id="hardly"),
        pytest.param("gzip;q=0", False, id="refused"),
        pytest.param("br, gzip ; q=0.000", False, id="refused-at-length"),
        pytest.param("gzip;q=x", False, id="q-is-not-a-number"),
        pytest.param("", False, id="none"),
        pytest.param("identity", False, id="plain"),
        pytest.param("deflate, br", False, id="others"),
        pytest.param("*", False, id="any"),
        pytest.param("gzipped;q=1,,gz ip", False, id="nonsense"),
    ],
)
def test_accepts_gzip(accept_encoding: str, accepted: bool) -> None:
    """The page is compressed for those who name gzip and don't refuse it."""
    assert accepts_gzip(accept_encoding) is accepted


@given(st.text() | st.text("gzip;q=0.1, */-text", max_size=40))
def test_any_header_is_understood(text: str) -> None:
    """Whatever a header holds, there is an answer to it."""
    assert negotiate(text) in Format
    assert accepts_gzip(text) in {True, False}
