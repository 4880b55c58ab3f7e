const warned = new Set<string>();

/** Warns about something that only the user can fix, once per path. Never throws. */
export function warnOnce(file: string, message: string): void {
  if (warned.has(file)) return;
  warned.add(file);
  try {
    process.emitWarning(message, { type: 'WasmCacheWarning' });
  } catch {
    // The program broke the functions that report.
  }
}
