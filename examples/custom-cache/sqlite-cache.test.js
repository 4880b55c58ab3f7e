// node --test: checks that the strategy keeps the contract of all strategies.
import { moduleCacheContract } from 'wasm-module-cache/testing';
import { SqliteCache } from './sqlite-cache.js';

moduleCacheContract('SqliteCache', () => new SqliteCache(':memory:'));
