/**
 * The keys that a mirror's list must be signed by, and whether this host can check that at all.
 *
 * Keys that the user names are a demand: a list is checked with them or not taken. Debian's own are used where the host has them.
 * Separate because what a list was checked with also tells lists apart in the cache. Read before: `programs.ts`. Read after:
 * `mirrorArchive.ts`.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { HostError } from '../errors.js';
import { findProgram, needProgram } from './programs.js';

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** What a list is checked with. */
export type Trust =
  | { readonly isChecked: true; readonly gpgv: string; readonly keyring: string; readonly id: string }
  | { readonly isChecked: false; readonly why: string; readonly id: string };

/**
 * @param named the user's file
 * @param usual Debian's keys on this host
 * @throws HostError `BAD_KEYRING`, `PROGRAM_MISSING` if the user's demand cannot be met
 */
export function trustOf(named: string | undefined, usual = DEBIAN_KEYRING): Trust {
  const unchecked = (why: string): Trust => ({ isChecked: false, why, id: 'unchecked' });
  // gpgv looks for a name without a slash in a folder of its own.
  const keyring = resolve(named ?? usual);
  const keys = readKeyring(keyring, named ?? usual);
  if (named === undefined) {
    if (findProgram('gpgv') === undefined) return unchecked("this host has no 'gpgv'");
    if (keys === undefined) return unchecked(`'${usual}' is not there`);
  }
  if (keys === undefined)
    throw new HostError('BAD_KEYRING', `the keyring '${named}' is not there; give a file of keys with --keyring`);
  const gpgv = needProgram('gpgv', 'gpgv', `to check a signature with the keyring '${named}'`);
  return { isChecked: true, gpgv, keyring, id: createHash('sha256').update(keys).digest('hex') };
}

/** Undefined if there is no such file. */
function readKeyring(path: string, name: string): Buffer | undefined {
  let keys: Buffer;
  try {
    keys = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const why = code === 'EISDIR' ? 'it is a folder' : message;
    throw new HostError(
      'BAD_KEYRING',
      `cannot read the keyring '${name}': ${why}; give a file that can be read with --keyring`,
      { cause: error },
    );
  }
  if (isKeyring(keys)) return keys;
  const cure = keys.subarray(0, 10).toString('latin1').startsWith('-----BEGIN')
    ? `it is armoured text; unpack it with 'gpg --dearmor' first`
    : `give a file of public keys with --keyring, as 'gpg --export' writes it`;
  throw new HostError('BAD_KEYRING', `'${name}' is no keyring that gpgv takes; ${cure}`);
}

/** Begins with a public key's packet, or is a keybox. (RFC 4880, 4.2 and 4.3; GnuPG: kbx/keybox-blob.c) */
function isKeyring(keys: Buffer): boolean {
  const tag = keys[0] ?? 0;
  return (tag & 0xfc) === 0x98 || tag === 0xc6 || keys.toString('latin1', 8, 12) === 'KBXf';
}
