const warned = new Set<string>();

/** Tells the user what only they can mend, once for each path. Never throws. */
export function warnOnce(file: string, message: string): void {
  if (warned.has(file)) return;
  warned.add(file);
  try {
    process.emitWarning(message, { type: 'WasmCacheWarning' });
  } catch {
    // The program broke the means of reporting.
  }
}
