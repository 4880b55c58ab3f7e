// Lays out a graph.
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import { printResult } from './result.mjs';

const graphviz = await Graphviz.load();
const edges = Array.from({ length: 120 }, (_, i) => `n${i % 40} -> n${(i * 7) % 53};`);
printResult(graphviz.dot(`digraph { rankdir=LR; ${edges.join(' ')} }`));
