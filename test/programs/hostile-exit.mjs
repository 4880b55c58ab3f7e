// A program that breaks what the hook would use to look at its modules and to report trouble.
import { sumModule } from '../../dist/testing/modules.js';

const wireBytes = sumModule({ padding: 70_000 });
const fail = () => {
  throw new Error('patched by the program');
};
new WebAssembly.Module(wireBytes);
WeakRef.prototype.deref = fail;
process.emitWarning = fail;
process.listeners = fail;
Array.prototype.filter = fail;
new WebAssembly.Module(wireBytes);
new WebAssembly.Module(sumModule({ offset: 1, padding: 70_000 }), { importedStringConstants: 'none' });
console.log('alive');
