/** The programs that tests start keep what they keep between runs in a folder of the tests', and not in the user's. Required by .mocharc.json. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let folder: string | undefined;

export function mochaGlobalSetup(): void {
  folder = mkdtempSync(join(tmpdir(), 'romulus-cache-'));
  process.env.XDG_CACHE_HOME = folder;
}

export function mochaGlobalTeardown(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true });
}
