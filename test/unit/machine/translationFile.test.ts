/** The file of translations is taken when it is whole, this user's and this translator's, and passed over otherwise. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Machine } from '../../../src/index.js';
import { DECISIVE, openTranslationFile, type TranslationFile } from '../../../src/machine/translationFile.js';
import { request } from '../../emit/golden.js';
import { guestFile } from '../../helpers/board.js';

const KERNEL = { name: '/boot/a kernel', bytes: Uint8Array.of(1, 2, 3) };
// mov eax, 1; ret
const CODE = [0xb8, 1, 0, 0, 0, 0xc3];

describe('machine/translationFile', () => {
  let folder: string;
  let warnings: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'romulus-'));
    warnings = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const open = (kernel = KERNEL): TranslationFile => {
    const opened = openTranslationFile(join(folder, 'kept'), kernel, (text) => warnings.push(text));
    assert.ok(opened !== undefined);
    return opened;
  };
  const files = (): string[] => readdirSync(join(folder, 'kept')).map((name) => join(folder, 'kept', name));
  /** Translates, saves, and returns how many translations were found. */
  const run = (kernel = KERNEL): number => {
    const { store, save } = open(kernel);
    store.translate(request(CODE));
    save();
    return store.found;
  };

  it('gives the next run what was saved, and nobody else may read or write it', () => {
    assert.equal(run(), 0);
    assert.equal(run(), 1);
    const [file] = files();
    assert.match(file, /\/a_kernel-[0-9a-f]{16}\.translations$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'kept')).mode & 0o777, 0o700);
    assert.deepEqual(warnings, []);
  });

  it('is one for each kernel', () => {
    run();
    assert.equal(run({ ...KERNEL, bytes: Uint8Array.of(1, 2, 4) }), 0);
    assert.equal(files().length, 2);
  });

  it('is left alone when there is nothing new', () => {
    run();
    const [file] = files();
    const before = statSync(file, { bigint: true }).mtimeNs;
    assert.equal(run(), 1);
    assert.equal(statSync(file, { bigint: true }).mtimeNs, before);
  });

  it('is passed over and replaced when any bit of it is another, or a part is missing', () => {
    run();
    const [file] = files();
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at += 3) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 0x10;
      writeFileSync(file, damaged);
      assert.equal(run(), 0, `byte ${at}`);
      assert.equal(run(), 1);
    }
    for (const length of [0, 50, 99, 100, 110, whole.length - 1]) {
      truncateSync(file, length);
      assert.equal(run(), 0, `${length} bytes`);
      assert.equal(run(), 1);
    }
    assert.deepEqual(warnings, []);
  });

  it('is passed over when others may write to it', () => {
    run();
    const [file] = files();
    for (const mode of [0o620, 0o602]) {
      chmodSync(file, mode);
      assert.equal(run(), 0);
      assert.equal(run(), 1);
    }
  });

  it('is not one of too many, and files of others stay', () => {
    run();
    const [first] = files();
    const foreign = [`${first}.txt`, join(folder, 'kept', 'x.translations')];
    for (const path of foreign) writeFileSync(path, '');
    const [abandoned, beingWritten] = [`${first}.01234567`, `${first}.89abcdef`];
    for (const path of [abandoned, beingWritten]) writeFileSync(path, '');
    utimesSync(abandoned, 0, 0);
    for (let kernel = 0; kernel < 40; kernel++) run({ ...KERNEL, bytes: Uint8Array.of(kernel) });
    assert.equal(files().filter((path) => /-[0-9a-f]{16}\.translations$/.test(path)).length, 16);
    for (const path of [...foreign, beingWritten]) assert.ok(existsSync(path), path);
    assert.ok(!existsSync(abandoned));
    assert.equal(run({ ...KERNEL, bytes: Uint8Array.of(39) }), 1);
  });

  it('is warned of where its folder cannot be made', () => {
    writeFileSync(join(folder, 'kept'), '');
    const warn = (text: string): number => warnings.push(text);
    for (const path of [join(folder, 'kept', 'x'), '/proc/nothing/like/it']) {
      assert.equal(openTranslationFile(path, KERNEL, warn), undefined);
      assert.equal(warnings.length, 1);
      assert.ok(warnings.pop()?.includes(`translations are not kept for the next run in '${path}'`));
    }
  });

  it('is passed over where a pipe or a folder has its name', () => {
    run();
    const [file] = files();
    rmSync(file);
    assert.equal(spawnSync('mkfifo', [file]).status, 0);
    assert.equal(run(), 0);
    assert.equal(run(), 1);
    rmSync(file);
    mkdirSync(file);
    assert.equal(run(), 0);
    assert.match(warnings.join(), /translations are not kept/);
  });

  it('is written at the end of the first run, however often that has asked again', () => {
    const { store, save } = open();
    for (let time = 0; time < 100; time++) store.translate(request(CODE));
    save();
    assert.equal(run(), 1);
  });

  it('knows of every folder that the front end comes from', () => {
    const source = new URL('../../../src/', import.meta.url);
    const seen = new Set<string>();
    const visit = (url: URL): void => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      for (const [, path] of readFileSync(url, 'utf8').matchAll(/from '(\.[^']+)'/g)) visit(new URL(path, url));
    };
    visit(new URL('translator/frontend.js', source));
    const folders = new Set([...seen].map((href) => dirname(href.slice(source.href.length))));
    assert.deepEqual(
      [...folders].filter((name) => !DECISIVE.includes(name)),
      [],
    );
    assert.ok(folders.has('x86/opcodes'));
  });

  it('is warned of where it cannot be written', () => {
    const { store, save } = open();
    store.translate(request(CODE));
    rmSync(join(folder, 'kept'), { recursive: true });
    save();
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /translations are not kept .*\/kept'/);
  });

  it('makes the second boot of a kernel one of translations that are there', async () => {
    const kept: number[] = [];
    const screens: string[] = [];
    for (let boot = 0; boot < 2; boot++) {
      const machine = new Machine({
        kernel: { name: 'remus.elf', bytes: guestFile('remus.elf') },
        initrd: { name: 'initrd.tar', bytes: guestFile('initrd.tar') },
        memoryBytes: 32 << 20,
        engine: 'translator',
        append: 'quiet run="echo here we are; bench sieve; halt"',
        translations: folder,
      });
      let screen = '';
      machine.console.on('data', (chunk: Buffer) => (screen += chunk.toString('latin1')));
      await machine.start();
      assert.equal((await machine.ended).status, 0);
      const statistics = machine.translatorStatistics()!;
      kept.push(statistics.fragmentsKept / statistics.fragments);
      screens.push(screen.replace(/[\d.]+ ns/, 'TIME'));
    }
    assert.match(screens[0], /here we are/);
    assert.equal(screens[1], screens[0]);
    assert.ok(kept[0] < 0.2, `first boot: ${kept[0]}`);
    assert.ok(kept[1] > 0.9, `second boot: ${kept[1]}`);
  });
});
