// Opens the compiler of Typst and asks it for a tree.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import init, { TypstCompilerBuilder } from '@myriaddreamin/typst-ts-web-compiler';
import { printResult } from './result.mjs';

const wasm = fileURLToPath(import.meta.resolve('@myriaddreamin/typst-ts-web-compiler/wasm'));
await init({ module_or_path: readFileSync(wasm) });
const builder = new TypstCompilerBuilder();
builder.set_dummy_access_model();
const compiler = await builder.build();
compiler.add_source(
  '/main.typ',
  Array.from({ length: 200 }, (_, i) => `= Title ${i}\n*bold* _${i}_ $x^${i}$\n`).join('\n'),
);
printResult(compiler.get_ast('/main.typ'));
