/**
 * Where packages come from, as a user says it. Separate from the archives themselves, so that wrong usage is told without loading them.
 * Read after: `guest.ts`, `../cli/linuxOptions.ts`.
 */
import { ConfigError } from '../errors.js';

/** Where packages come from. */
export interface ArchiveOptions {
  /** Address of the archive's root; undefined = what the host's apt uses. */
  readonly mirror?: string | undefined;
  /** Keys that the mirror's list must be signed by; undefined = Debian's, where the host has them. */
  readonly keyring?: string | undefined;
  /** Where the host keeps Debian's keys, if it does. */
  readonly usualKeyring?: string | undefined;
  /** Looks for newer packages. */
  readonly refresh?: boolean | undefined;
}

/** @throws ConfigError `BAD_MIRROR`, `KEYRING_WITHOUT_MIRROR` */
export function checkArchiveOptions({ mirror, keyring }: ArchiveOptions): void {
  if (mirror !== undefined && (!/^https?:\/\/[^/]/.test(mirror) || !URL.canParse(mirror)))
    throw new ConfigError(
      'BAD_MIRROR',
      `mirror '${mirror}' is not understood; give the http or https address of an archive's root, the folder above dists/`,
    );
  // apt has keys of its own; to pass over what was asked for would look like a check.
  if (keyring !== undefined && mirror === undefined)
    throw new ConfigError(
      'KEYRING_WITHOUT_MIRROR',
      `--keyring '${keyring}' has the keys of a mirror, and there is none; give --mirror URL too, or leave it out: apt checks with the host's keys`,
    );
}
