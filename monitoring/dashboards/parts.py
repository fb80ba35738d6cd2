"""What every dashboard is made of: variables, links and panels of few kinds, each with all that it must have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from exporter.jobs.families import EXPORTER_PREFIX
from monitoring.dashboards import promql

OVERVIEW = "bedrock-customization-overview"
JOB = "bedrock-customization-job"
EXPORTER = "bedrock-customization-exporter"
"""Their uids: alerts and the dashboards themselves link to them."""

TAG = "bedrock-customization"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

GREEN, YELLOW, RED, BLUE, ORANGE, PURPLE, GREY = "green", "yellow", "red", "blue", "orange", "purple", "#808080"
STATUS_COLORS = {
    "NotStarted": GREY,
    "InProgress": BLUE,
    "Completed": GREEN,
    "Failed": RED,
    "Stopping": ORANGE,
    "Stopped": PURPLE,
}

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on (None: from the least) which colour."""

PLAIN: Steps = ((None, BLUE),)

_NOTHING = models.SpecialValueMap(
    options=models.DashboardSpecialValueMapOptions(
        match=models.SpecialValueMatch.NULL, result=models.ValueMappingResult(color="text")
    )
)
"""The colour of an empty panel's text, which would else be that of the least value: good or bad, though nothing is."""


def from_zero(good: str = GREEN, bad: str = RED) -> Steps:
    """Good at 0, bad from 1 on."""
    return ((None, good), (1, bad))


# Variables


def data_source() -> dashboard.DatasourceVariable:
    """Which Prometheus is asked."""
    return dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")


def cluster() -> dashboard.QueryVariable:
    """The clusters that exporters run in, where Prometheus or an agent says so in the label ``cluster``."""
    return _choice("cluster", "Cluster", f"label_values({EXPORTER_PREFIX}build_info, cluster)")


def account() -> dashboard.QueryVariable:
    """The accounts of the targets in the chosen clusters."""
    up = f'{EXPORTER_PREFIX}target_up{{cluster=~"$cluster"}}'
    return _choice("account", "Account", f"label_values({up}, aws_account_id)")


def region() -> dashboard.QueryVariable:
    """The regions of the targets in the chosen accounts."""
    up = f'{EXPORTER_PREFIX}target_up{{cluster=~"$cluster",aws_account_id=~"$account"}}'
    return _choice("region", "Region", f"label_values({up}, aws_region)")


def customization_type() -> dashboard.QueryVariable:
    """The customization types in the chosen accounts and regions."""
    jobs = promql.of_jobs_of_any_type("jobs")
    return _choice("type", "Type", f"label_values({jobs}, customization_type)")


def instance() -> dashboard.QueryVariable:
    """The exporters that are scraped, in the chosen clusters."""
    build = f'{EXPORTER_PREFIX}build_info{{cluster=~"$cluster"}}'
    return _choice("instance", "Exporter", f"label_values({build}, instance)")


def target_labels() -> dashboard.AdHocVariable:
    """Filters on the labels that the targets have from the exporter's configuration.

    Which ones there are differs from one installation to the next, so it can't be a variable each. Grafana adds these
    filters to every series that a dashboard asks for.
    """
    return dashboard.AdHocVariable("filters").label("Target labels").datasource(SOURCE)


def job() -> dashboard.QueryVariable:
    """One of the jobs that had series in the time range, the newest first, by its name, account and region."""
    created = promql.one(promql.JOB, f"last_over_time({promql.of_jobs('job_created_timestamp_seconds')}[$__range])")
    titled = f'label_join({created}, "title", " · ", "job_name", "aws_account_id", "aws_region")'
    return (
        _query("job_id", "Job", f"query_result(sort_desc({titled}))")
        .regex('/title="(?<text>[^"]+)|job_id="(?<value>[^"]+)/g')
        .sort(models.VariableSort.DISABLED)
    )


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Any number of values, all of them at first. `.*` is All, so that a value seen for the first time is in it."""
    everything = models.VariableOption(selected=True, text="All", value="$__all")
    return (
        _query(name, label, query)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(everything)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _query(name: str, label: str, query: str) -> dashboard.QueryVariable:
    asked: dict[str, object] = {"query": query, "refId": name}
    refresh = models.VariableRefresh.ON_TIME_RANGE_CHANGED
    return dashboard.QueryVariable(name).label(label).datasource(SOURCE).query(asked).refresh(refresh)


# Links


def link_to(uid: str, *more: str) -> str:
    """The address of another dashboard, with the data source, the variables that it shares, and the time range.

    Args:
        uid: of the dashboard.
        more: further parameters, such as ``var-job_id=…``.
    """
    kept = [f"${{{name}:queryparam}}" for name in ("datasource", "cluster", "account", "region", "filters")]
    return f"/d/{uid}?{'&'.join([*kept, *more, '${__url_time_range}'])}"


def link_to_job(job_id: str) -> tuple[str, str]:
    """Title and address of a job's dashboard, from one that has the variable of the type.

    Args:
        job_id: where Grafana finds the id, such as ``${__data.fields.job_id}``, in a table with such a field.
    """
    return ("Open the job", link_to(JOB, "${type:queryparam}", f"var-job_id={job_id}"))


# Panels


class Shape(NamedTuple):
    """What every panel has.

    Attributes:
        title: unique on its dashboard.
        about: what it shows, where that comes from, and what to make of it.
        unit: of its values.
        empty: what it says when there is nothing to show. A number has room for what stands before the colon only;
            the rest goes into the description.
        width: of 24.
        height: in rows of 30 pixels.
        steps: thresholds.
    """

    title: str
    about: str
    unit: str
    empty: str
    width: int
    height: int = 8
    steps: Steps = PLAIN


P = TypeVar("P", bargauge.Panel, series.Panel, stat.Panel, statetimeline.Panel, table.Panel)


def _shaped(panel: P, shape: Shape) -> P:
    brief = isinstance(panel, bargauge.Panel | stat.Panel)
    words, colon, why = shape.empty.partition(": ")
    return (
        panel.title(shape.title)
        .description(f"{shape.about} “{words}”: {why}" if brief and colon else shape.about)
        .unit(shape.unit)
        .no_value(words if brief else shape.empty)
        .thresholds(_thresholds(shape.steps))
        .datasource(SOURCE)
        .span(shape.width)
        .height(shape.height)
    )


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [models.Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)


def _queries(queries: Mapping[str, str], *, instant: bool) -> list[prometheus.Dataquery]:
    """Queries from their legends and expressions; they are called A, B, C and so on."""
    made = []
    for number, (legend, expression) in enumerate(queries.items()):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + number))
        made.append((query.instant() if instant else query.range()).datasource(SOURCE))
    return made


def _fixed_color(color: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def number(
    shape: Shape,
    queries: Mapping[str, str] | str,
    *,
    label: str | None = None,
    colors: Mapping[str, str] | None = None,
    link: tuple[str, str] | None = None,
    decimals: float | None = None,
) -> stat.Panel:
    """Numbers of the end of the time range.

    Args:
        shape: what every panel has.
        queries: legend → expression, or a single expression.
        label: is shown in the place of the value. (As a legend it would leave a panel blank that has nothing to show.)
        colors: text of the label → colour.
        link: title and address of where a click leads.
        decimals: how many.
    """
    if isinstance(queries, str):
        queries = {"": queries}
    asked = _queries(queries, instant=True)
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    if label:
        asked = [query.format(PromQueryFormat.TABLE) for query in asked]
        reduced.fields(f"/^{label}$/")
    panel = (
        _shaped(stat.Panel(), shape)
        .targets([*asked])
        .graph_mode(choices.BigValueGraphMode.NONE)
        .color_mode(choices.BigValueColorMode.VALUE)
        .text_mode(choices.BigValueTextMode.VALUE if label else choices.BigValueTextMode.AUTO)
        .reduce_options(reduced)
    )
    panel.mappings([_NOTHING, *([models.ValueMap(options=_colored(colors.items()))] if colors else [])])
    if link:
        panel.data_links([dashboard.DashboardLink(link[0]).url(link[1])])
    return panel if decimals is None else panel.decimals(decimals)


def bars(shape: Shape, queries: Mapping[str, str], *, largest: float | None = None) -> bargauge.Panel:
    """A bar for each value at the end of the time range."""
    panel = (
        _shaped(bargauge.Panel(), shape)
        .targets([*_queries(queries, instant=True)])
        .orientation(choices.VizOrientation.HORIZONTAL)
        .display_mode(choices.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .mappings([_NOTHING])
        .min(0)
    )
    return panel if largest is None else panel.max(largest)


def over_time(
    shape: Shape,
    queries: Mapping[str, str],
    *,
    stacked: bool = False,
    steps: bool = False,
    limits: bool = False,
    many: bool = False,
    colors: Mapping[str, str] | None = None,
    links: Iterable[tuple[str, str]] = (),
) -> series.Panel:
    """Lines over time.

    Args:
        shape: what every panel has.
        queries: legend → expression.
        stacked: show the sum, too.
        steps: bars in the place of lines, each from its step's start, for `promql.ended_in_step`.
        limits: draw the thresholds.
        many: there may be many lines, so that the legend is a table with their last and greatest values.
        colors: legend → colour.
        links: titles and addresses of where a click on a line leads.
    """
    panel = (
        _shaped(series.Panel(), shape)
        .targets([*_queries(queries, instant=False)])
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(choices.LegendDisplayMode.LIST)
            .placement(choices.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(choices.TooltipDisplayMode.MULTI).sort(choices.SortOrder.DESCENDING))
        .show_points(choices.VisibilityMode.NEVER)
        .axis_soft_min(0)
        .fill_opacity(10)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL).group("A")).fill_opacity(40)
    if many:
        panel.legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(choices.LegendDisplayMode.TABLE)
            .placement(choices.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
            .sort_by("Last *")
            .sort_desc(True)
        )
    if steps:
        panel.draw_style(choices.GraphDrawStyle.BARS).bar_alignment(choices.BarAlignment.AFTER).fill_opacity(80)
        panel.interval("5m").max_data_points(120).decimals(0)
    if limits:
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(choices.GraphThresholdsStyleMode.DASHED))
    for name, color in (colors or {}).items():
        panel.override_by_name(name, [_fixed_color(color)])
    return panel.data_links([dashboard.DashboardLink(title).url(url) for title, url in links])


def states(shape: Shape, queries: Mapping[str, str], names: Sequence[tuple[str, str]]) -> statetimeline.Panel:
    """A lane for each series, coloured by its state over time.

    Args:
        shape: what every panel has.
        queries: legend → expression, whose value is the place of the state in `names`.
        names: and colours of the states.
    """
    return (
        _shaped(statetimeline.Panel(), shape)
        .targets([*_queries(queries, instant=False)])
        .mappings([_named(names)])
        .merge_values(True)
        .show_value(choices.VisibilityMode.AUTO)
        .row_height(0.8)
        .fill_opacity(80)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(choices.LegendDisplayMode.LIST)
            .placement(choices.LegendPlacement.BOTTOM)
        )
    )


def _named(names: Sequence[tuple[str, str]]) -> models.ValueMap:
    return models.ValueMap(
        options={
            str(number): models.ValueMappingResult(text=name, color=color, index=number)
            for number, (name, color) in enumerate(names)
        }
    )


def _colored(texts: Iterable[tuple[str, str]]) -> dict[str, models.ValueMappingResult]:
    return {text: models.ValueMappingResult(color=color) for text, color in texts}


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        field: a label, or ``A`` for the value of that query.
        title: its heading.
        unit: of its values; without one it is text.
        steps: thresholds that colour it.
        names: in the place of the values 0, 1 … names and their colours; of a column of text, text → colour.
        gauge: the value of a full bar, which is drawn in the place of a plain number.
        link: title and address of where a click leads.
        width: in pixels.
    """

    field: str
    title: str
    unit: str | None = None
    steps: Steps | None = None
    names: Sequence[tuple[str, str]] = ()
    gauge: float | None = None
    link: tuple[str, str] | None = None
    width: int | None = None


def _table(shape: Shape) -> table.Panel:
    """A table with a dash in empty cells: else the text of an empty panel would stand in each of them."""
    dash = models.DynamicConfigValue(id_val="noValue", value="\N{EN DASH}")
    return _shaped(table.Panel(), shape).override_by_regexp("/.*/", [dash])


def rows(
    shape: Shape,
    queries: Mapping[str, str],
    columns: Sequence[Column],
    *,
    by: str,
    falling: bool = True,
) -> table.Panel:
    """A table with one row for each set of the labels that all its queries have in common.

    Args:
        shape: what every panel has.
        queries: name (``A``, ``B`` …) → expression.
        columns: what is shown, from left to right.
        by: title of the column that the rows are sorted by.
        falling: whether the greatest comes first.
    """
    value = "Value" if len(queries) == 1 else "Value #{}"
    fields = [value.format(column.field) if column.field in queries else column.field for column in columns]
    panel = _table(shape).targets([query.format(PromQueryFormat.TABLE) for query in _queries(queries, instant=True)])
    if len(queries) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    for id_, options in (
        ("filterFieldsByName", {"include": {"names": fields}}),
        ("organize", {"indexByName": {field: index for index, field in enumerate(fields)}}),
    ):
        panel.with_transformation(models.DataTransformerConfig(id_val=id_, options=options))
    for column, field in zip(columns, fields, strict=True):
        panel.override_by_name(field, _column(column))
    return panel.sort_by([common.TableSortByFieldState().display_name(by).desc(falling)]).filterable(True)


def matrix(shape: Shape, query: str, *, row: str, column: str) -> table.Panel:
    """A table of the values of one query by two of its labels."""
    options = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "zero"}
    return (
        _table(shape)
        .targets([query.format(PromQueryFormat.TABLE) for query in _queries({"": query}, instant=True)])
        .with_transformation(models.DataTransformerConfig(id_val="groupingToMatrix", options=options))
        .override_by_name(f"{row}\\{column}", [models.DynamicConfigValue(id_val="displayName", value=row.capitalize())])
    )


def _column(column: Column) -> list[models.DynamicConfigValue]:
    properties: dict[str, object] = {"displayName": column.title, "unit": column.unit or units.String}
    if column.steps:
        properties["thresholds"] = _thresholds(column.steps).build()
        properties["color"] = {"mode": "thresholds"}
        properties["custom.cellOptions"] = choices.TableColorTextCellOptions()
    if column.gauge:
        properties |= {
            "min": 0,
            "max": column.gauge,
            "custom.cellOptions": choices.TableBarGaugeCellOptions(mode=choices.BarGaugeDisplayMode.BASIC),
        }
    if column.names:
        mapping = _named(column.names) if column.unit else models.ValueMap(options=_colored(column.names))
        properties |= {"mappings": [mapping], "custom.cellOptions": choices.TableColorTextCellOptions()}
    if column.link:
        properties["links"] = [{"title": column.link[0], "url": column.link[1]}]
    if column.width:
        properties["custom.width"] = column.width
    return [models.DynamicConfigValue(id_val=id_, value=value) for id_, value in properties.items()]


# Dashboards

Panel = bargauge.Panel | series.Panel | stat.Panel | statetimeline.Panel | table.Panel


def assemble(
    uid: str,
    title: str,
    about: str,
    *,
    since: str,
    variables: Sequence[dashboard.QueryVariable | dashboard.AdHocVariable],
    sections: Mapping[str, Sequence[Panel]],
) -> models.Dashboard:
    """A dashboard.

    Args:
        uid: by which links find it.
        title: its name.
        about: what it is for.
        since: the start of its time range, such as ``now-24h``.
        variables: beside the data source.
        sections: heading → panels, from left to right and top to bottom.
    """
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags([TAG])
        .time(since, "now")
        .timezone("browser")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables([data_source(), *variables])
        .link(
            dashboard.DashboardLink("Bedrock customization")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for heading, panels in sections.items():
        board.with_row(dashboard.Row(heading))
        for each in panels:
            board.with_panel(each)
    made = board.build()
    for place, panel in enumerate(made.panels or [], start=1):
        panel.id_val = place
    return made
