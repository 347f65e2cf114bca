// Draws the panels of a dashboard from its own JSON with Grafana's published components, for tests: stat and table
// panels as Grafana shows them, graphs with its uPlot parts. The state timeline is not published: a box says so.
import React from 'react';
import { createRoot } from 'react-dom/client';
import {
  FieldConfigOptionsRegistry, applyFieldOverrides, createTheme, dataLinksOverrideProcessor, dateTime,
  displayNameOverrideProcessor, getFieldDisplayValues, identityOverrideProcessor, numberOverrideProcessor,
  selectOverrideProcessor, standardFieldConfigEditorRegistry, standardTransformers,
  standardTransformersRegistry, stringOverrideProcessor, thresholdsOverrideProcessor, toDataFrame,
  transformDataFrame, unitOverrideProcessor, valueMappingsOverrideProcessor, ThemeContext,
} from '@grafana/data';
import plotStyle from 'uplot/dist/uPlot.min.css';
import { BigValue, GlobalStyles, PanelChrome, Table, TimeSeries, VizRepeater } from '@grafana/ui';

const CELL = 30, GAP = 8, TITLE = 32, PAD = 8;
const { page } = window;
const theme = createTheme({ colors: { mode: page.light ? 'light' : 'dark' } });

// What Grafana registers when it starts: without it field options are ignored.
const option = (path, process, isCustom) => ({
  id: isCustom ? `custom.${path}` : path, path, name: path, isCustom, process, shouldApply: () => true,
  override: () => null, editor: () => null, settings: {},
});
const standard = [
  ['unit', unitOverrideProcessor], ['min', numberOverrideProcessor], ['max', numberOverrideProcessor],
  ['decimals', numberOverrideProcessor], ['displayName', displayNameOverrideProcessor],
  ['noValue', stringOverrideProcessor], ['color', identityOverrideProcessor],
  ['thresholds', thresholdsOverrideProcessor], ['mappings', valueMappingsOverrideProcessor],
  ['links', dataLinksOverrideProcessor],
].map(([path, process]) => option(path, process, false));
const custom = ['width', 'align', 'cellOptions', 'filterable', 'drawStyle', 'lineInterpolation', 'lineWidth',
  'fillOpacity', 'showPoints', 'spanNulls', 'stacking', 'scaleDistribution', 'lineStyle', 'hideFrom', 'axisPlacement']
  .map((path) => option(path, identityOverrideProcessor, true));
standardFieldConfigEditorRegistry.setInit(() => standard);
const registry = new FieldConfigOptionsRegistry(() => [...standard, ...custom]);
const transformers = new Map(Object.values(standardTransformers).map((transformation) => [
  transformation.id, { id: transformation.id, name: transformation.name, editor: () => null,
    transformation: () => Promise.resolve(transformation) },
]));
standardTransformersRegistry.setInit(() => [...transformers.values()]);

// As Grafana's DashboardMigrator does with the schema that the files have.
const CELLS = {
  'color-text': { type: 'color-text' },
  'color-background-solid': { type: 'color-background', mode: 'basic' },
};
const migrated = (config) => ({
  ...config,
  overrides: config.overrides.map((each) => ({
    ...each,
    properties: each.properties.map((one) => (
      one.id === 'custom.displayMode' ? { id: 'custom.cellOptions', value: CELLS[one.value] } : one)),
  })),
});
const fieldsOf = (panel, frames) => applyFieldOverrides({
  data: frames, fieldConfig: migrated(panel.fieldConfig), fieldConfigRegistry: registry,
  replaceVariables: (text) => text, theme, timeZone: 'utc',
});

const Message = ({ panel, text }) => (
  <div style={{ display: 'flex', height: '100%', alignItems: 'center', justifyContent: 'center',
    color: theme.colors.text.secondary }}>{text ?? panel.fieldConfig.defaults.noValue ?? 'No data'}</div>
);

function Stat({ panel, frames, width, height }) {
  const values = getFieldDisplayValues({
    data: fieldsOf(panel, frames), fieldConfig: migrated(panel.fieldConfig),
    reduceOptions: panel.options.reduceOptions, replaceVariables: (text) => text, theme, timeZone: 'utc',
    sparkline: false,
  });
  return (
    <VizRepeater source={values} width={width} height={height} orientation="auto" renderCounter={1}
      getValues={() => values}
      renderValue={({ value, width: w, height: h, count }) => (
        <BigValue value={{ ...value.display, title: count > 1 ? value.display.title : undefined }} count={count}
          width={w} height={h} theme={theme} colorMode={panel.options.colorMode} graphMode="none"
          justifyMode="auto" textMode="auto" />
      )} />
  );
}

function Grid({ panel, frames, width, height }) {
  const [data, setData] = React.useState(null);
  React.useEffect(() => {
    const found = transformDataFrame(panel.transformations, frames).subscribe((out) => {
      setData(fieldsOf(panel, out)[0] ?? toDataFrame({ fields: [] }));
    });
    return () => found.unsubscribe();
  }, []);
  if (!data) { return null; }
  if (!data.length) { return <Message panel={panel} />; }
  return <Table data={data} width={width} height={height} initialSortBy={panel.options.sortBy} timeRange={range()} />;
}

const range = () => {
  const [from, to] = [dateTime(page.from), dateTime(page.to)];
  return { from, to, raw: { from, to } };
};

function Graph({ panel, frames, width, height }) {
  const config = panel.fieldConfig;
  const all = fieldsOf({ fieldConfig: config }, frames);
  if (!all.length) { return <Message panel={panel} />; }
  return <TimeSeries frames={all} timeRange={range()} timeZone="utc" width={width} height={height}
    legend={{ ...panel.options.legend, showLegend: true }} />;
}

const KINDS = { stat: Stat, table: Grid, timeseries: Graph };

class Guard extends React.Component {
  state = { error: null };
  static getDerivedStateFromError(error) { return { error }; }
  render() {
    return this.state.error
      ? <pre className="broken" style={{ color: 'red' }}>{String(this.state.error)}</pre> : this.props.children;
  }
}

function Panel({ panel, frames, width, height }) {
  const Kind = KINDS[panel.type];
  return (
    <PanelChrome title={panel.title} width={width} height={height} padding="none">
      {(w, h) => (
        <div style={{ padding: PAD, width: w, height: h }} className="inside" data-title={panel.title}>
          <Guard>
            {Kind
              ? <Kind panel={panel} frames={frames.map(toDataFrame)} width={w - 2 * PAD} height={h - 2 * PAD} />
              : <Message panel={panel} text="(Grafana publishes no parts for a state timeline)" />}
          </Guard>
        </div>
      )}
    </PanelChrome>
  );
}

function Page() {
  const narrow = page.width < 768;
  const cell = (page.width - GAP) / 24;
  let y = 0;
  const items = page.panels.map(({ panel, frames }, index) => {
    const grid = panel.gridPos;
    const row = panel.type === 'row';
    const height = (row ? CELL : grid.h * (CELL + GAP) - GAP);
    const place = narrow
      ? { left: GAP, top: y + GAP, width: page.width - 2 * GAP, height }
      : { left: grid.x * cell + GAP, top: grid.y * (CELL + GAP) + GAP, width: grid.w * cell - GAP, height };
    y += narrow ? height + GAP : 0;
    return (
      <div key={index} style={{ position: 'absolute', ...place }}>
        {row ? <h4 style={{ padding: '4px 8px' }}>{panel.collapsed ? '› ' : '⌄ '}{panel.title}</h4>
          : <Panel panel={panel} frames={frames} width={place.width} height={place.height} />}
      </div>
    );
  });
  return <>{items}</>;
}

// Headings and moments that do not fit: half of a moment is not the second to which one can restore.
const MOMENT = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;
const isCut = (cell) => {
  const node = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT).nextNode();
  if (!node) { return false; }
  const text = document.createRange();
  text.selectNodeContents(node);
  const end = text.getBoundingClientRect().right;
  for (let each = node.parentElement; each !== cell.parentElement; each = each.parentElement) {
    const style = getComputedStyle(each);
    const inside = each.getBoundingClientRect().right - parseFloat(style.paddingRight);
    if (style.overflowX !== 'visible' && end > inside + 0.5) { return true; }
  }
  return false;
};
setInterval(() => {
  for (const cell of document.querySelectorAll('[role="columnheader"], [role="cell"]')) {
    const counts = cell.matches('[role="columnheader"]') || MOMENT.test(cell.textContent);
    if (counts && isCut(cell)) { cell.dataset.cut = cell.textContent; } else { delete cell.dataset.cut; }
  }
}, 500);

// Components warn of each other's old names.
window.console.error = () => {};
document.head.append(Object.assign(document.createElement('style'), { textContent: plotStyle }));
document.body.style.background = theme.colors.background.canvas;
createRoot(document.getElementById('root')).render(
  <ThemeContext.Provider value={theme}><GlobalStyles /><Page /></ThemeContext.Provider>,
);
