/** Programs of the host: how they end, by themselves and when nobody waits for them any more. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../../src/linux/programs.js';

describe('linux/programs', () => {
  let folder = '';
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'romulus-programs-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('repeats the last words of a program that fails, and all that apt marks as errors', async () => {
    const fail = (words: string): Promise<string> =>
      runProgram('/bin/sh', ['-c', `printf '${words}' >&2; exit 3`], new AbortController().signal);
    await assert.rejects(fail('1\\n2\\n3\\n4\\n'), { code: 'PROGRAM_FAILED', message: /status 3\): 2; 3; 4$/ });
    await assert.rejects(fail('cc: x.o: No space left on device\\n2\\n3\\n4\\n'), { code: 'DISK_FULL' });
    await assert.rejects(fail('E: 1\\nE: 2\\nW: 3\\nE: 4\\nE: 5\\n'), { message: /: 1; 2; 4; 5$/ });
  });

  it('when aborted ends what the program has started as well, before it says so', async () => {
    const abort = new AbortController();
    const file = join(folder, 'ready');
    const watcher = watch(folder);
    const ran = runProgram(
      '/bin/sh',
      ['-c', `sleep 60 & echo $! >${file}.new; mv ${file}.new ${file}; wait`],
      abort.signal,
    );
    const rejected = assert.rejects(ran, /enough/);
    const read = (): string => {
      try {
        return readFileSync(file, 'utf8');
      } catch {
        return '';
      }
    };
    while (read() === '') await once(watcher, 'change');
    watcher.close();
    abort.abort(new Error('enough'));
    await rejected;
    // A process that has ended stays listed as a zombie until its parent has taken note.
    const state = (): string => {
      try {
        return readFileSync(`/proc/${read().trim()}/stat`, 'utf8').split(' ')[2] ?? '';
      } catch {
        return 'gone';
      }
    };
    assert.match(state(), /^(Z|X|gone)$/);
  });
});
