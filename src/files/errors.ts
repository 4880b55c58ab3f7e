export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** The message without the path, which may be that of a descriptor. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return codeOf(error) === undefined ? error.message : error.message.replace(/, \w+ '.*$/s, '');
}
