// The API reference of every entry that package.json exports, from the comments in src/.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');
const { exports } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
const entryPoints = Object.values(exports).flatMap(({ types }) =>
  types ? types.replace(/^\.\/dist\/(.*)\.d\.ts$/, `${root}/src/$1.ts`) : [],
);

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  entryPoints,
  tsconfig: `${root}/tsconfig.json`,
  out: `${root}/.api`,
  name: 'wasm-module-cache',
  projectDocuments: ['docs/*.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'].map((each) => `${root}/${each}`),
  readme: `${root}/README.md`,
  highlightLanguages: ['ts', 'js', 'sh', 'console', 'rust', 'html'],
  disableSources: true, // where the sources are seen only the site's repository knows
  excludeInternal: true,
  excludePrivate: true,
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true },
  // Properties not: those of unnamed objects are told by the comment before them, and the others are in test/integration/documentation.test.ts.
  requiredToBeDocumented: [
    'Class',
    'Interface',
    'TypeAlias',
    'Function',
    'Variable',
    'Constructor',
    'Method',
    'Accessor',
  ],
};
