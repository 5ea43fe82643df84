/**
 * Translated code against a real CPU, the large recording: paging, CPL 3, segments, all exceptions. What is flat is translated, the rest
 * shows that the two engines hand over to each other. Read before: `../vectors/play.ts`, `host.test.ts`.
 */
import assert from 'node:assert/strict';
import { Interpreter } from '../../src/interp/interpreter.js';
import { HostFpu } from '../../src/machine/hostFpu.js';
import { loadNative } from '../../src/native.js';
import { Translator } from '../../src/translator/engine.js';
import { STATE_BYTES } from '../../src/vcpu/layout.js';
import { cpuName } from '../vectors/cpuName.js';
import type { EngineFactory } from '../vectors/engines.js';
import { families, open, play } from '../vectors/play.js';
import { UserMachine } from '../vectors/userMachine.js';

const CODE_BYTES = 4 << 20;

describe('the large recording of a real CPU, translated', () => {
  const native = loadNative();
  assert.ok(native, 'the addon must be built for these tests: npm run build:native');
  const memories: number[] = [];
  const buffers: ArrayBuffer[] = [];
  const allocate = (sizeBytes: number): ArrayBuffer => {
    const id = native.memoryCreate(sizeBytes);
    memories.push(id);
    const buffer = native.memoryMap(id);
    buffers.push(buffer);
    if (sizeBytes === STATE_BYTES) native.vcpuBind(buffer);
    return buffer;
  };
  let translator: Translator;
  let machine: UserMachine;

  const factory: EngineFactory = {
    name: 'translator',
    allocate,
    create: (cpu, phys) => {
      const [block, ram] = buffers;
      const host = native.translatorOpen(ram, block, allocate(CODE_BYTES), phys.direct);
      translator = new Translator(new Interpreter(cpu, phys), host, { stormDrops: Infinity });
      return translator;
    },
  };

  before(() => {
    machine = new UserMachine(factory, (words) => new HostFpu(native, words));
  });

  after(() => {
    translator.dispose();
    native.vcpuUnbind();
    for (const id of memories) native.memoryClose(id);
  });

  for (const family of families()) {
    it(`${family}: all that a program sees agrees`, function () {
      this.timeout(120_000);
      const { enters } = translator.statistics();
      const result = play(machine, family, open(family).header.cpu === cpuName());
      assert.equal(result.failed, 0, `${result.failed} of ${result.played} cases:\n${result.failures.join('\n')}`);
      // EFLAGS.AC makes code the interpreter's
      const expected = family === 'alignment' ? 0 : result.played / 2;
      assert.ok(translator.statistics().enters - enters >= expected, 'not even half of the cases was translated');
    });
  }
});
