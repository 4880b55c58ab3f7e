// Runs Python.
import { loadMicroPython } from '@micropython/micropython-webassembly-pyscript';
import { printResult } from './result.mjs';

const lines = [];
const python = await loadMicroPython({ stdout: (line) => lines.push(line), linebuffer: true });
python.runPython(`
words = [hex(i * 7919 % 10007) for i in range(20000)]
words.sort()
print(' '.join(words[:200]), sum(len(w) for w in words))
`);
printResult(lines);
