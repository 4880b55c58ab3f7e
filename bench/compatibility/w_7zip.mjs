// Packs a file and unpacks it.
import SevenZip from '7z-wasm';
import { printResult } from './result.mjs';

const sevenZip = await SevenZip({ print: () => {} });
const text = Array.from({ length: 20000 }, (_, i) => `line ${i % 97} of ${i}`).join('\n');
sevenZip.FS.writeFile('in.txt', text);
sevenZip.callMain(['a', '-mtm-', '-mta-', '-mtc-', 'out.7z', 'in.txt']);
const packed = sevenZip.FS.readFile('out.7z');
sevenZip.FS.unlink('in.txt');
const again = await SevenZip({ print: () => {} });
again.FS.writeFile('out.7z', packed);
again.callMain(['x', 'out.7z']);
printResult(again.FS.readFile('in.txt'));
