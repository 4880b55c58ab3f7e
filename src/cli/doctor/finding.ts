/** The result of one check. */
export interface Finding {
  /** The name of the check, which is stable. */
  id: string;
  /** `problem`: the cache does not work, or not as it was set up. `warning`: it works, but something may surprise. */
  status: 'ok' | 'warning' | 'problem';
  message: string;
  /** What to do about it; `null` for `ok`. */
  advice: string | null;
}

export function ok(id: string, message: string): Finding {
  return { id, status: 'ok', message, advice: null };
}

export function warning(id: string, message: string, advice: string): Finding {
  return { id, status: 'warning', message, advice };
}

export function problem(id: string, message: string, advice: string): Finding {
  return { id, status: 'problem', message, advice };
}
