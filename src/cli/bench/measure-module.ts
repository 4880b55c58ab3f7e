// The program of "wasm-cache bench <file>": prints the milliseconds that `new WebAssembly.Module()` takes for the file, once.
import fs from 'node:fs';

const wireBytes = fs.readFileSync(process.argv[2] as string);
const start = performance.now();
const module = new WebAssembly.Module(wireBytes);
const milliseconds = performance.now() - start;
console.log(JSON.stringify({ milliseconds }));
process.on('exit', () => module); // What is garbage by then is not saved.
