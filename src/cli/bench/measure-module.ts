// The program that "wasm-cache bench <file>" runs. Prints how long one `new WebAssembly.Module()` of the file takes.
import fs from 'node:fs';

const wireBytes = fs.readFileSync(process.argv[2] as string);
const start = performance.now();
const module = new WebAssembly.Module(wireBytes);
const milliseconds = performance.now() - start;
console.log(JSON.stringify({ milliseconds }));
process.on('exit', () => module); // Garbage would not be saved.
