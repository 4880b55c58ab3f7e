import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ReportDocument } from '../../../dist/cli/report/document.js';
import { html } from '../../../dist/cli/report/html.js';
import { Browser, chromiumMissing } from '../../support/browser.js';
import { ENGINE, madeUp } from '../../support/bundles.js';
import { jsonOf, putArtifact, putStatistics, runCli, shapeOf } from '../../support/cli.js';
import { temporaryDirectory } from '../../support/processes.js';

const HOUR = 3_600_000;
/** A folder for the screenshots, for somebody who wants to look at them. */
const { REPORT_SCREENSHOTS: screenshots } = process.env;

/** A folder in which there is all that a report tells of: gains, losses, misses, a module that is bypassed, and a day that is full. */
function folder(): string {
  const directory = temporaryDirectory();
  const code = (length: number) => Buffer.alloc(length, 1);
  const good = madeUp(1, { nativeCode: code(4_500_000), final: true });
  const slow = madeUp(2, { nativeCode: code(880_000) });
  const bypassedUntil = Math.ceil(Date.now() / 60_000) + 600;
  const left = madeUp(3, { nativeCode: Buffer.alloc(0), coverage: 'none', bypassedUntil });
  for (const [at, artifact] of [good, slow, left].entries()) putArtifact(directory, artifact, { age: at * HOUR });
  const [ofGood, ofSlow] = [good, slow].map(({ key }) => ({ key: String(key) }));
  for (const day of [0, 1, 3, 30]) {
    putStatistics(
      directory,
      [
        { ...ofGood, name: 'esbuild-wasm', wireLength: 14e6, nativeLength: 4_500_000, restored: 20, hitTime: 400 },
        { ...ofGood, name: 'esbuild-wasm', wireLength: 14e6, misses: 1, missTime: 2, compileTime: 35 },
        {
          ...ofSlow,
          name: 'dist/a-bundle-with-a-rather-long-name-of-its-own.js',
          nativeLength: 880_000,
          restored: 2,
          alive: 3,
          hitTime: 90,
        },
        { key: 'ffff000011112222', name: '@scope/never-found', misses: 2, missTime: 1, compileTime: 4 },
      ],
      day,
    );
  }
  return directory;
}

describe('wasm-cache report', () => {
  it('writes a page, and prints its path and a summary', () => {
    const cwd = temporaryDirectory();
    const { status, stdout, stderr } = runCli(['report', '--dir', folder()], { cwd });
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      /^Written: wasm-cache-report.html\nOn 4 days: 3 modules, 100 hits, 12 misses, about 4.\d s saved/,
    );
    const page = readFileSync(path.join(cwd, 'wasm-cache-report.html'), 'utf8');
    for (const text of ['esbuild-wasm', 'never found', 'Bypassed until', 'longer than compiling']) {
      assert.ok(page.includes(text), text);
    }
  });

  it('prints JSON of the documented shape, and writes a page only if one is named', () => {
    const cwd = temporaryDirectory();
    const directory = folder();
    const document = jsonOf<ReportDocument>(['report', '--dir', directory], { cwd });
    assert.equal(existsSync(path.join(cwd, 'wasm-cache-report.html')), false);
    const figures = { modules: 'number', hits: 'number', misses: 'number', savedMillisecondsEstimate: 'number' };
    const numbers = ['moduleSize', 'hits', 'aliveHits', 'misses', 'hitMilliseconds', 'missMilliseconds'];
    const module = {
      ...{ key: 'string', name: 'string', nativeCodeSize: 'number' },
      ...Object.fromEntries(
        [...numbers, 'compileMilliseconds', 'savedMillisecondsEstimate'].map((name) => [name, 'number']),
      ),
    };
    const finding = { key: 'string', name: 'string', kind: 'string', lookUps: 'number' };
    const { artifacts, ...others } = document;
    assert.deepEqual(shapeOf(others), {
      ...{ directory: 'string', file: 'null', writtenAt: 'string' },
      days: [{ day: 'string', isFull: 'boolean', ...figures }],
      modules: [module, { ...module, nativeCodeSize: 'null' }],
      totals: { ...figures, artifacts: 'number', artifactsSize: 'number' },
      findings: [
        { ...finding, savedMillisecondsEstimate: 'null', bypassedUntil: 'null' },
        { ...finding, savedMillisecondsEstimate: 'number', bypassedUntil: 'null' },
        { ...finding, name: 'null', savedMillisecondsEstimate: 'null', bypassedUntil: 'string' },
      ],
    });
    assert.deepEqual(
      document.findings.map(({ kind }) => kind),
      ['never-found', 'slow', 'bypassed'],
    );
    assert.deepEqual(
      artifacts.map(({ name, coverage }) => [name, coverage]),
      [
        ['esbuild-wasm', 'hot'],
        ['dist/a-bundle-with-a-rather-long-name-of-its-own.js', 'hot'],
        [null, 'none'],
      ],
    );
    const [best] = document.modules;
    // 20 hits on each of 4 days, each instead of 33 ms for 14 MB of module and 47 ms for 4.5 MB of code.
    assert.ok(Math.abs(Number(best?.savedMillisecondsEstimate) - (80 * (33 + 46.875) - 1600 - 8)) < 1);
    const file = path.join(temporaryDirectory(), 'page.html');
    assert.equal(jsonOf<ReportDocument>(['report', file, '--dir', directory]).file, file);
    assert.ok(existsSync(file));
  });

  it('says that nothing was counted yet, also if there is no folder', () => {
    const cwd = temporaryDirectory();
    const { status, stdout } = runCli(['report', '--dir', path.join(cwd, 'none')], { cwd });
    assert.equal(status, 0);
    assert.match(stdout, /^Written: wasm-cache-report.html, but nothing was counted yet: run a program/);
    assert.match(readFileSync(path.join(cwd, 'wasm-cache-report.html'), 'utf8'), /There is nothing to show yet/);
  });

  it('says that counting stopped on a full day', () => {
    const directory = temporaryDirectory();
    for (let i = 0; i < 15; i++) putStatistics(directory, Array(1000).fill({ key: '0'.repeat(16), misses: 1 }));
    const file = path.join(temporaryDirectory(), 'page.html');
    assert.equal(jsonOf<ReportDocument>(['report', file, '--dir', directory]).days[0]?.isFull, true);
    assert.match(readFileSync(file, 'utf8'), /On 1 day the statistics were full/);
  });

  it('escapes everything that it takes from the folder', () => {
    const script = '<script>alert(1)</script>';
    const directory = path.join(temporaryDirectory(), `"><b onclick='x'>& ${script.replaceAll('/', '')}`);
    const file = path.join(temporaryDirectory(), 'page.html');
    mkdirSync(directory, { mode: 0o700 });
    // An engine's folder may have any name; a line of statistics with such a name is invalid.
    putArtifact(directory, madeUp(1, { engineId: `<img src=x onerror='alert(1)'>${ENGINE}` }));
    const day = putStatistics(directory, [{ key: '0'.repeat(16), name: 'good', misses: 1 }]);
    writeFileSync(day, readFileSync(day, 'utf8') + readFileSync(day, 'utf8').replace('good', script));
    const { modules } = jsonOf<ReportDocument>(['report', file, '--dir', directory]);
    assert.deepEqual(
      modules.map(({ name, misses }) => [name, misses]),
      [['good', 1]],
    );
    const page = readFileSync(file, 'utf8');
    assert.ok(page.includes('&lt;img src=x onerror=&#39;alert(1)&#39;&gt;'));
    assert.ok(page.includes('&quot;&gt;&lt;b onclick=&#39;x&#39;&gt;&amp; '));
    assert.doesNotMatch(page, /<(script|img|b)\b/);
  });

  it('refuses a folder that others may write to, and a page that cannot be written', () => {
    const directory = folder();
    for (const [file, message] of [
      ['', /error: The report must be a file in an existing folder: ''/],
      ['/no/folder/page.html', /error: The report must be a file .*: '\/no\/folder\/page.html'/],
      [directory, /error: The report must be a file/],
    ] as const) {
      const { status, stdout, stderr } = runCli(['report', file, '--dir', directory]);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, message);
    }
    if (process.platform === 'win32') return;
    chmodSync(directory, 0o777);
    const { status, stderr } = runCli(['report', '--dir', directory], { cwd: temporaryDirectory() });
    assert.equal(status, 3);
    assert.match(stderr, /^error: .* can be written by others/);
  });

  describe('in a browser', { skip: chromiumMissing() }, () => {
    let browser: Browser;
    before(() => {
      browser = new Browser();
    });
    after(() => browser.close());

    const pages = { full: folder(), empty: path.join(temporaryDirectory(), 'none') };
    for (const [what, directory] of Object.entries(pages)) {
      for (const width of [1280, 360]) {
        for (const colors of ['light', 'dark'] as const) {
          it(`renders well with ${what} statistics, ${width} pixels wide, ${colors}`, async () => {
            const file = path.join(temporaryDirectory(), 'page.html');
            assert.equal(runCli(['report', file, '--dir', directory]).status, 0);
            const seen = await browser.look(file, { width, colors }, `(${lookAround})()`);
            if (screenshots) writeFileSync(path.join(screenshots, `${what}-${width}-${colors}.png`), seen.screenshot);
            assert.deepEqual([seen.console, seen.requests], [[], []]);
            const { contrasts, ...found } = seen.value as ReturnType<typeof lookAround>;
            const isFull = what === 'full';
            assert.deepEqual(found, {
              ...{ isTooWide: false, unreachable: [], headings: isFull ? 'H1 H2 H2 H2 H2 H2' : 'H1 H2 H2' },
              ...{ tables: isFull ? 4 : 0, unnamed: 0, language: 'en' },
            });
            // WCAG 2, level AA.
            for (const [text, contrast] of contrasts) assert.ok(contrast >= 4.5, `${text}: ${contrast}`);
            assert.ok(contrasts.length > 10);
          });
        }
      }
    }
  });
});

/** Runs in the page. */
function lookAround() {
  const all = [...document.querySelectorAll('body *')] as HTMLElement[];
  for (const each of document.querySelectorAll('details')) each.open = true;
  const luminance = (color: string) => {
    const [r = 0, g = 0, b = 0] = (color.match(/[\d.]+/g) ?? []).map((each) => {
      const part = Number(each) / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element: Element | null): string => {
    if (!element) return 'rgb(255, 255, 255)';
    const { backgroundColor } = getComputedStyle(element);
    return backgroundColor === 'rgba(0, 0, 0, 0)' ? ground(element.parentElement) : backgroundColor;
  };
  const hasText = (element: Element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim());
  const contrasts = all.filter(hasText).map((element): [string, number] => {
    const [a = 0, b = 0] = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort(
      (x, y) => y - x,
    );
    return [element.textContent?.slice(0, 30) ?? '', (a + 0.05) / (b + 0.05)];
  });
  const { scrollWidth } = document.documentElement;
  // Elements that are cut off at the side and cannot be scrolled to.
  const unreachable = all.filter((element) => {
    const { right, width } = element.getBoundingClientRect();
    return width > 0 && right > innerWidth + 1 && !element.closest('.wide');
  });
  const tables = [...document.querySelectorAll('table')];
  return {
    isTooWide: scrollWidth > innerWidth,
    unreachable: unreachable.map(({ outerHTML }) => outerHTML.slice(0, 80)),
    headings: [...document.querySelectorAll('h1, h2, h3')].map(({ tagName }) => tagName).join(' '),
    tables: tables.length,
    unnamed:
      tables.filter((table) => !table.caption?.textContent || !table.querySelector('th[scope=col]')).length +
      [...document.querySelectorAll('[role=img], [role=region]')].filter((each) => !each.getAttribute('aria-label'))
        .length,
    language: document.documentElement.lang,
    contrasts,
  };
}

describe('html', () => {
  it('escapes values', () => {
    const made = html`<b>${'a < b & "c" \'d\''}</b>${undefined}${[html`<i>${1}</i>`, '<i>']}`;
    assert.equal(made.text, '<b>a &lt; b &amp; &quot;c&quot; &#39;d&#39;</b><i>1</i>&lt;i&gt;');
  });
});
