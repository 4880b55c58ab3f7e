import { KEY_DIGITS } from '../../statistics/lines.js';
import { type DayCounts, readStatistics } from '../../statistics/read.js';

/** The name of a module, by its key, where the folder's statistics have one. */
export type NameOf = (key: string) => string | null;

export async function readModuleNames(directory: string): Promise<NameOf> {
  return namesIn(await readStatistics(directory));
}

export function namesIn(days: DayCounts[]): NameOf {
  const names = new Map<string, string>();
  for (const { modules } of days) {
    for (const { key, name } of modules) if (key && name) names.set(key, name);
  }
  return (key) => names.get(key.slice(0, KEY_DIGITS)) ?? null;
}
