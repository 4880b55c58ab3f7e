import { CacheError } from '../cache-error.js';
import type { HttpAnswer } from './http-request.js';
import type { S3Address } from './s3-address.js';

// Captured: programs replace globals.
const { getBuiltinModule } = process;

/** Milliseconds. S3 refuses a request whose clock is more than 15 minutes wrong. */
const NOTABLE_SKEW = 5 * 60_000;

/** The meaning of some of S3's codes, for readers of a log. */
const MEANINGS: Record<string, string> = {
  AccessDenied: 'S3 says so of what is not there, too, unless s3:ListBucket is granted',
  ExpiredToken: 'the session token has expired',
  InvalidAccessKeyId: 'the server does not know this access key',
  NoSuchBucket: 'there is no such bucket',
  NotImplemented: 'a server without conditional writes needs isConditional: false',
  SignatureDoesNotMatch: 'the secret access key is wrong',
  SlowDown: 'too many requests',
};

/** Whether the object is missing. An answer to a HEAD has no code. */
export function isMissing(answer: HttpAnswer): boolean {
  return answer.status === 404 && (codeOf(answer) ?? 'NoSuchKey') === 'NoSuchKey';
}

/** S3's own name for an error. Its message is never shown, because it may contain what was signed. */
export function codeOf(answer: HttpAnswer): string | undefined {
  if (answer.status < 300) return undefined;
  const [code] = elements(textOf(answer), 'Code');
  return code !== undefined && /^(?=.*[a-z])[A-Z][A-Za-z\d]{1,39}$/.test(code) ? code : undefined;
}

export function textOf({ bytes }: HttpAnswer): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** The texts of the elements with this name. S3's answers are flat and generated; anything else has no such elements. */
export function elements(xml: string, name: string): string[] {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text = '']) =>
    text.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d{1,6})|#x([\da-f]{1,5}));/gi, (_, entity, decimal, hexadecimal) =>
      entity ? (entities[entity] ?? '') : String.fromCodePoint(decimal ? +decimal : Number.parseInt(hexadecimal, 16)),
    ),
  );
}

/** The error for an answer that no operation expects. */
export function unexpected(
  method: string,
  { origin, pathname }: URL,
  answer: HttpAnswer,
  { region: expectedRegion, description }: S3Address,
): CacheError {
  const { status, headers } = answer;
  const code = codeOf(answer) ?? getBuiltinModule('node:http').STATUS_CODES[status] ?? '';
  const region = headers['x-amz-bucket-region'];
  const skew = Math.abs(Date.now() - Date.parse(headers.date ?? ''));
  let meaning = method === 'PUT' && code === 'AccessDenied' ? undefined : MEANINGS[code];
  if (status !== 404 && typeof region === 'string' && region !== expectedRegion) {
    meaning = `the bucket is in the region ${region}, not ${expectedRegion}`;
  } else if (code === 'RequestTimeTooSkewed' || (status === 403 && skew > NOTABLE_SKEW)) {
    const by = skew > NOTABLE_SKEW ? ` by ${Math.round(skew / 60_000)} minutes` : '';
    meaning = `the clocks of this machine and of the server differ${by}`;
  }
  const what = `${method} ${origin}${pathname} (${description}): ${status} ${code}`.trimEnd();
  return new CacheError('Other', meaning === undefined ? what : `${what}: ${meaning}`);
}
