// Exports or imports a bundle, and prints the report. Arguments: "export" or "import", and the options as JSON.
import { exportBundle, importBundle } from '../../dist/index.js';

const [what, options] = process.argv.slice(2);
const act = what === 'export' ? exportBundle : importBundle;
console.log(JSON.stringify(await act(JSON.parse(options))));
