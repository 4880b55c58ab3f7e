import dns from 'node:dns';
import fs from 'node:fs';
import net from 'node:net';

type Resolver = Pick<InstanceType<typeof dns.promises.Resolver>, 'resolve4' | 'resolve6'>;

/** What the look-up depends on; tests give their own. */
export interface NameServices {
  resolver: Resolver;
  /** The text of the system's table of hosts. */
  hosts: () => string;
  /** The text of the resolver's configuration. */
  configuration: () => string;
}

/** Milliseconds; a name server that works answers in a few. */
const TIMEOUT = 1500;
/** Milliseconds that IPv4 addresses wait for those of IPv6, as RFC 8305 recommends. */
const WAIT_FOR_IPV6 = 50;
/** What a name server says that is there and has no address, so that another domain is tried. */
const NOT_THERE = new Set(['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'EFORMERR', 'ENOTIMP']);

/**
 * Makes a function like `dns.lookup`, which clients use where it is put in the place of that. The system's own look-up runs in libuv's
 * thread pool, where nothing can end it, and a process does not exit before it has returned: seconds, when a name server is silent. This one
 * knows the table of hosts, the name servers and the search domains, and can be left behind at any moment.
 */
export function makeLookup(services: NameServices = systemServices()): typeof dns.lookup {
  const lookup = (name: string, given: unknown, last?: unknown): void => {
    const options = (typeof given === 'object' && given !== null ? given : { family: given }) as dns.LookupOptions;
    const callback = (last ?? given) as (error: unknown, address?: unknown, family?: number) => void;
    addressesOf(name, services).then(
      (all) => {
        const family = { IPv4: 4, IPv6: 6 }[String(options.family)] ?? Number(options.family);
        const found = all.filter((address) => ![4, 6].includes(family) || address.family === family);
        const [first] = found;
        if (!first) callback(failure(name, 'ENOTFOUND'));
        else if (options.all) callback(null, found);
        else callback(null, first.address, first.family);
      },
      (error) => callback(error),
    );
  };
  return lookup as typeof dns.lookup;
}

function systemServices(): NameServices {
  return {
    resolver: new dns.promises.Resolver({ timeout: TIMEOUT, tries: 2 }),
    hosts: () => textOf('/etc/hosts'),
    configuration: () => textOf('/etc/resolv.conf'),
  };
}

function textOf(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

async function addressesOf(name: string, { resolver, hosts, configuration }: NameServices) {
  const known = net.isIP(name) !== 0 ? [name] : inHosts(name, hosts());
  if (known.length > 0) return known.map((address) => ({ address, family: net.isIP(address) }));
  if (/^(?:.*\.)?localhost\.?$/i.test(name)) return [{ address: '127.0.0.1', family: 4 }];
  for (const candidate of candidatesOf(name, configuration())) {
    const found = await ask(candidate, resolver);
    if (found.length > 0) return found;
  }
  throw failure(name, 'ENOTFOUND');
}

function inHosts(name: string, hosts: string): string[] {
  return hosts.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    return names.some((each) => each.toLowerCase() === name.toLowerCase()) && net.isIP(address) ? [address] : [];
  });
}

/** The names to ask for, in the order of resolv.conf(5). */
function candidatesOf(name: string, configuration: string): string[] {
  if (name.endsWith('.')) return [name];
  const domains = /^\s*(?:search|domain)\s+(.*)$/gm;
  const last = [...configuration.matchAll(domains)].at(-1)?.[1]?.trim() ?? '';
  const inDomains = last.split(/\s+/).flatMap((domain) => (domain === '' ? [] : [`${name}.${domain}`]));
  const dots = Number(/^\s*options\s.*\bndots:(\d+)/m.exec(configuration)?.[1] ?? 1);
  return name.split('.').length > dots ? [name, ...inDomains] : [...inDomains, name];
}

/** @throws when the name server does not answer. */
async function ask(name: string, resolver: Resolver): Promise<{ address: string; family: number }[]> {
  const as = (family: number) => (addresses: string[]) => addresses.map((address) => ({ address, family }));
  const ipv6 = resolver.resolve6(name).then(as(6));
  ipv6.catch(() => {}); // Only looked at where there is no IPv4.
  const ipv4 = await resolver.resolve4(name).then(as(4), ifNotThere);
  if (ipv4.length === 0) return ipv6.catch(ifNotThere);
  const late = new Promise<never[]>((resolve) => setTimeout(resolve, WAIT_FOR_IPV6, []));
  return [...ipv4, ...(await Promise.race([ipv6.catch(() => []), late]))];
}

function ifNotThere(error: NodeJS.ErrnoException): never[] {
  if (NOT_THERE.has(error.code ?? '')) return [];
  throw error;
}

function failure(hostname: string, code: string): Error {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code, hostname, syscall: 'getaddrinfo' });
}
