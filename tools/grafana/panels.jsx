// Renders a dashboard as Grafana does: its libraries make the texts of cells, and draw tables, numbers and bars. The
// panels of lines and of states are not in Grafana's libraries; they are drawn plainly, of the same fields.
//
// In: window.dashboard = {board, answers: {panel id: {refId: result of Prometheus}}, from, to (in ms)}.
// Out: each panel in a <section data-title>, and document.title = "rendered" at the end.
import * as data from '@grafana/data';
import { BarGauge, BigValue, Table, ThemeContext } from '@grafana/ui';
import { createRoot } from 'react-dom/client';

const { board, answers, from, to } = window.dashboard;
const theme = data.createTheme({ colors: { mode: 'dark' } });
const fill = (text) => text;
const timeRange = { from: data.dateTime(from), to: data.dateTime(to), raw: { from: 'now-1h', to: 'now' } };

// Grafana itself fills these registries when it starts.
const standard = {
  unit: data.unitOverrideProcessor,
  min: data.numberOverrideProcessor,
  max: data.numberOverrideProcessor,
  decimals: data.numberOverrideProcessor,
  displayName: data.displayNameOverrideProcessor,
  noValue: data.stringOverrideProcessor,
  color: data.identityOverrideProcessor,
  links: data.dataLinksOverrideProcessor,
  mappings: data.valueMappingsOverrideProcessor,
  thresholds: data.thresholdsOverrideProcessor,
};
const options = (items, more = {}) =>
  Object.entries(items).map(([id, process]) => ({ id, path: id, name: id, process, shouldApply: () => true, ...more }));
data.standardFieldConfigEditorRegistry.setInit(() => options(standard));
const registry = new data.Registry(() => [
  ...options(standard),
  ...options({ width: data.identityOverrideProcessor, cellOptions: data.identityOverrideProcessor }).map((item) => ({
    ...item, id: `custom.${item.id}`, isCustom: true,
  })),
]);
data.standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(data.standardTransformers))].map((transformation) => ({
    id: transformation.id, name: transformation.name, transformation,
  }))
);

// Prometheus's answers as Grafana's data source gives them.
function frames(panel) {
  const single = panel.targets.length === 1;
  return panel.targets.flatMap((target) => {
    const series = answers[panel.id][target.refId] ?? [];
    const points = (one) => one.values ?? [one.value];
    if (target.format === 'table') {
      if (!series.length) { return [{ refId: target.refId, fields: [], length: 0 }]; }
      const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
      const column = (name, type, of) => ({ name, type, config: {}, values: series.map(of) });
      return [{
        refId: target.refId,
        length: series.length,
        fields: [
          column('Time', data.FieldType.time, (one) => one.value[0] * 1000),
          ...labels.map((name) => column(name, data.FieldType.string, (one) => one.metric[name] ?? '')),
          column(single ? 'Value' : `Value #${target.refId}`, data.FieldType.number, (one) => Number(one.value[1])),
        ],
      }];
    }
    return series.map((one) => ({
      refId: target.refId,
      length: points(one).length,
      fields: [
        { name: 'Time', type: data.FieldType.time, config: {}, values: points(one).map(([at]) => at * 1000) },
        {
          name: 'Value', type: data.FieldType.number, labels: one.metric, values: points(one).map(([, v]) => Number(v)),
          config: {
            displayNameFromDS: target.legendFormat
              ? target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => one.metric[name] ?? '')
              : undefined,
          },
        },
      ],
    }));
  });
}

function transformed(panel) {
  return new Promise((resolve) =>
    data.transformDataFrame(panel.transformations ?? [], frames(panel), { interpolate: fill }).subscribe(resolve)
  );
}

function withConfig(panel, made) {
  return data.applyFieldOverrides({
    data: made, fieldConfig: panel.fieldConfig, replaceVariables: fill, theme, timeZone: 'utc',
    fieldConfigRegistry: registry,
  });
}

const Empty = ({ panel }) => <p className="empty">{panel.fieldConfig.defaults.noValue}</p>;

function tableOf(panel, made, width, height) {
  const [frame] = withConfig(panel, made);
  if (!frame?.fields.length) { return <Empty panel={panel} />; }
  return <Table data={frame} width={width} height={height} fieldConfig={panel.fieldConfig} timeRange={timeRange}
    initialSortBy={panel.options?.sortBy} resizable={false} />;
}

const display = (panel, made) => data.getFieldDisplayValues({
  fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: fill, theme,
  data: withConfig(panel, made), timeZone: 'utc',
});

function numbers(panel, made, width, height) {
  const values = display(panel, made);
  return values.map((one, index) => <BigValue key={index} theme={theme} value={one.display} count={values.length}
    width={width / values.length} height={height} graphMode="none" colorMode={panel.options.colorMode}
    textMode={panel.options.textMode} justifyMode="auto" />);
}

function bars(panel, made, width, height) {
  const values = display(panel, made);
  return values.map((one, index) => <BarGauge key={index} theme={theme} value={one.display} field={one.field}
    display={one.view ? one.view.getFieldDisplayProcessor(one.colIndex) : undefined} width={width}
    height={Math.min(48, height / values.length)} orientation="horizontal" displayMode="basic" />);
}

function lines(panel, made, width, height) {
  const series = withConfig(panel, made).map((frame) => ({ times: frame.fields[0].values, field: frame.fields[1], frame }));
  if (!series.length) { return <Empty panel={panel} />; }
  const states = panel.type === 'state-timeline';
  const shown = series.slice(0, 20);
  const legend = states ? 0 : Math.min(height / 2, 18 * shown.length);
  const high = height - legend - 4;
  const x = (at) => ((at - from) / (to - from)) * width;
  const finite = (values) => values.filter(Number.isFinite);
  const top = Math.max(1e-9, ...shown.map(({ field }) => Math.max(0, ...finite(field.values))));
  const y = (value) => high - (value / top) * (high - 14);
  const name = ({ field, frame }) => data.getFieldDisplayName(field, frame, made);
  const color = (index, field) => field.config.color?.fixedColor
    ? theme.visualization.getColorByName(field.config.color.fixedColor)
    : theme.visualization.getColorByName(theme.visualization.palette[index % theme.visualization.palette.length]);
  const told = (field, value) => data.formattedValueToString(field.display(value));
  const lane = high / shown.length;
  return <>
    <svg width={width} height={high}>
      {shown.map(({ times, field, ...one }, index) => states ? <g key={index}>
        {times.map((at, place) => <rect key={at} x={x(at)} y={index * lane + 14} height={lane - 18}
          width={Math.max(2, x(times[place + 1] ?? to) - x(at))} fill={field.display(field.values[place]).color} />)}
        <text x="2" y={index * lane + 11} className="axis">{name({ field, ...one })}</text>
      </g> : <polyline key={index} fill="none" stroke={color(index, field)} strokeWidth="1.5"
        points={times.map((at, place) => `${x(at)},${y(field.values[place])}`).join(' ')} />)}
      {!states && <text x="2" y="11" className="axis">{told(shown[0].field, top)}</text>}
    </svg>
    {!states && <div className="legend" style={{ height: legend }}>{shown.map((one, index) => <div key={index}>
      <b style={{ background: color(index, one.field) }} />{name(one)}
      {panel.options.legend.displayMode === 'table' && <i>
        {`last ${told(one.field, one.field.values.at(-1))}, max ${told(one.field, Math.max(...finite(one.field.values)))}`}
      </i>}
    </div>)}</div>}
  </>;
}

const kinds = { table: tableOf, stat: numbers, bargauge: bars, timeseries: lines, 'state-timeline': lines };
const COLUMN = 64, ROW = 38;

function Section({ panel, made }) {
  const { x, y, w, h } = panel.gridPos;
  const place = { left: x * COLUMN, top: y * ROW, width: w * COLUMN - 8, height: h * ROW - 8 };
  if (panel.type === 'row') { return <h2 style={place}>{panel.title}</h2>; }
  return <section style={place} data-title={panel.title} data-type={panel.type}>
    <h3>{panel.title}</h3>
    <div>{kinds[panel.type](panel, made, place.width - 16, place.height - 40)}</div>
  </section>;
}

const made = await Promise.all(board.panels.map((panel) => (panel.type === 'row' ? [] : transformed(panel))));
document.body.style.height = `${Math.max(...board.panels.map(({ gridPos: { y, h } }) => y + h)) * ROW}px`;
createRoot(document.getElementById('dashboard')).render(
  <ThemeContext.Provider value={theme}>
    {board.panels.map((panel, index) => <Section key={panel.id} panel={panel} made={made[index]} />)}
  </ThemeContext.Provider>
);
setTimeout(() => { document.title = 'rendered'; }, 1500);
