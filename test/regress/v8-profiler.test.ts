/**
 * V8's profiler samples the vCPU thread with SIGPROF and follows its frame pointers. In translated code the registers are the guest's, which look
 * like a stack when ESP and EBP are in order; reading that killed the process.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROMULUS = fileURLToPath(new URL('../../../bin/romulus.js', import.meta.url));
const EVERY_US = 50;
/** One in three died. */
const RUNS = 5;

describe("a machine under V8's profiler", () => {
  it('runs to its end, and a profile is written for each thread', function () {
    this.timeout(60_000);
    for (let run = 0; run < RUNS; run++) {
      const folder = mkdtempSync(join(tmpdir(), 'romulus-'));
      try {
        const profiler = ['--cpu-prof', `--cpu-prof-interval=${EVERY_US}`, `--cpu-prof-dir=${folder}`];
        const guest = ['run', '--translations', 'off', '--append', 'quiet run="bench pair"'];
        const { status, signal, stderr } = spawnSync(process.execPath, [...profiler, ROMULUS, ...guest], {
          encoding: 'utf8',
        });
        assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr);
        const profiles = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
        assert.equal(profiles.length, 2);
        assert.ok(profiles.some((text) => text.includes('runToEnd')));
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
  });
});
