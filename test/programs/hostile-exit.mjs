// Breaks the functions that the hook needs to look at modules and to report errors.
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
