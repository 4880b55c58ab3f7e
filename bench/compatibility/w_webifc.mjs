// Writes a building model and reads it.
import { createRequire } from 'node:module';
import { printResult } from './result.mjs';

const WebIFC = createRequire(import.meta.url)('web-ifc');
const api = new WebIFC.IfcAPI();
await api.Init();
api.SetLogLevel(WebIFC.LogLevel.LOG_LEVEL_OFF);
const header =
  "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\nFILE_NAME('','',(''),(''),'','','');\nFILE_SCHEMA(('IFC4'));\nENDSEC;\nDATA;\n";
const points = Array.from({ length: 3000 }, (_, i) => `#${i + 1}=IFCCARTESIANPOINT((${i}.,${(i * 7) % 101}.5,0.));`);
const model = api.OpenModel(new TextEncoder().encode(`${header}${points.join('\n')}\nENDSEC;\nEND-ISO-10303-21;\n`));
const ids = api.GetLineIDsWithType(model, WebIFC.IFCCARTESIANPOINT);
printResult(
  Array.from({ length: ids.size() }, (_, i) => api.GetLine(model, ids.get(i)).Coordinates.map(({ value }) => value)),
);
