// node bench/chart.mjs <bench.json>... > docs/bench.svg: how many times as fast each program is warm as plain, one bar per program
// and Node version. Reads the files that `npm run bench -- --json <file>` wrote.
import { readFileSync } from 'node:fs';
import * as echarts from 'echarts';

const benches = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')));
if (benches.length === 0) {
  console.error('Name at least one file written by: npm run bench -- --json <file>');
  process.exit(2);
}

const shown = benches[0].rows.filter((row) => !row.isControl).sort((a, b) => a.warm - b.warm);
const names = ['geometric mean', ...shown.map((row) => row.name)];
const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 800, height: 60 + 36 * names.length });
chart.setOption({
  animation: false,
  backgroundColor: '#ffffff',
  color: ['#2f6f4f', '#8fbf9f', '#c9a227', '#7a7a7a'],
  title: { text: 'Times as fast with a warm cache (whole process, plain / warm)', textStyle: { fontSize: 14 } },
  legend: { top: 24, data: benches.map(({ version }) => version) },
  grid: { left: 110, right: 50, top: 56, bottom: 24 },
  // Logarithmic, so that half the speed is as far from 1 as twice the speed.
  xAxis: { type: 'log', logBase: 2, min: 0.5, axisLabel: { formatter: '{value} x' } },
  yAxis: { type: 'category', data: names },
  series: benches.map(({ version, rows, means }) => ({
    name: version,
    type: 'bar',
    data: names.map((name, index) => {
      const value = index === 0 ? means.warm : rows.find((row) => row.name === name)?.warm;
      return value === undefined ? null : Number(value.toFixed(2));
    }),
    label: { show: true, position: 'right', formatter: '{c} x', fontSize: 10 },
  })),
});
process.stdout.write(chart.renderToSVGString());
chart.dispose();
