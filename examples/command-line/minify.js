#!/usr/bin/env node
// minify.js <file.ts>: a command on swc, which is 18 MB of WebAssembly. The first import is all that the cache needs, and comes
// first: swc compiles its module as soon as it is imported.
import 'wasm-module-cache/register';
import { readFileSync } from 'node:fs';
import swc from '@swc/wasm';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('Which file? Usage: minify.js <file.ts>');
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
