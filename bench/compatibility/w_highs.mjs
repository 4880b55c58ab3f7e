// Solves a mixed-integer problem.
import loadHighs from 'highs';
import { printResult } from './result.mjs';

const highs = await loadHighs();
const items = Array.from({ length: 40 }, (_, i) => ({
  name: `x${i}`,
  value: 10 + ((i * 37) % 23),
  weight: 5 + ((i * 53) % 19),
}));
const sum = (what) => items.map((item) => `${item[what]} ${item.name}`).join(' + ');
const names = items.map(({ name }) => name).join(' ');
const { Status, ObjectiveValue } = highs.solve(
  `Maximize\n obj: ${sum('value')}\nSubject To\n c: ${sum('weight')} <= 200\nBinary\n ${names}\nEnd`,
  { output_flag: false },
);
printResult([Status, ObjectiveValue]);
