#!/usr/bin/env node
// minify.js <file.ts>: a command that uses swc, 18 MB of WebAssembly. The import of the hook is all that the cache needs. It comes
// first because swc compiles its module as soon as it is imported.
import 'wasm-module-cache/register';
import { readFileSync } from 'node:fs';
import swc from '@swc/wasm';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('No file given. Usage: minify.js <file.ts>');
  process.exit(2);
}
try {
  const source = readFileSync(file, 'utf8');
  const options = { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, minify: true };
  console.log(swc.transformSync(source, { ...options, filename: file }).code);
} catch (error) {
  console.error(`${file} was not minified: ${error.message ?? error}`);
  process.exitCode = 1;
}
