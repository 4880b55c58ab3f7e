import dns from 'node:dns';
import net from 'node:net';

type Resolver = InstanceType<typeof dns.promises.Resolver>;

/** Milliseconds; a name server that is well answers in a few. */
const TIMEOUT = 1500;
/** What a name server says that is there: the system's own look-up, which knows more (/etc/hosts, search domains), is worth asking. */
const ANSWERS = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'EFORMERR', 'ENOTIMP']);

/**
 * Finds out whether the machine's name servers answer at all, before the system is asked for a host: its look-up cannot be
 * ended, and a process cannot end before it, however long that takes.
 *
 * @throws when none answers.
 */
export async function assertNamesAreAnswered(
  host: string,
  makeResolver: () => Resolver = () => new dns.promises.Resolver({ timeout: TIMEOUT, tries: 1 }),
): Promise<void> {
  if (net.isIP(host) !== 0 || host === 'localhost' || host === '') return;
  try {
    await makeResolver().resolve4(host);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!ANSWERS.has(code)) throw new Error(`no name server answers for ${host}: ${code}`);
  }
}
