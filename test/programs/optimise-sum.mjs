// Optimises the module of a file and saves it in a cache folder. Arguments: the file, the folder.
import { readFileSync } from 'node:fs';
import { FileSystemCache, ModuleHash, V8Engine } from '../../dist/index.js';
import { optimise } from '../../dist/testing/modules.js';

const [file, directory] = process.argv.slice(2);
const engine = new V8Engine();
const wireBytes = readFileSync(file);
const module = engine.compileSync(wireBytes);
await optimise(module, (each) => engine.serialize(each));
new FileSystemCache(directory).saveSync(ModuleHash.sha256(wireBytes), engine, module);
