/** Traces: what each kind prints, and that code without a tracer has no wrappers. */
import assert from 'node:assert/strict';
import { Interpreter } from '../../../src/interp/interpreter.js';
import { Tracer, type TraceItem } from '../../../src/interp/trace.js';
import { Word } from '../../../src/vcpu/layout.js';
import { CODE, TestMachine } from './machine.js';

/** inc eax; int3 with its gate at the HLT behind it. */
const program = [0x40, 0xcc, 0xf4];

function trace(items: readonly TraceItem[], code: readonly number[] = program): string {
  const machine = new TestMachine();
  let text = '';
  const tracer = new Tracer(items, (part) => (text += part));
  tracer.attach(machine.cpu);
  const interpreter = new Interpreter(machine.cpu, machine.phys, tracer);
  machine.place(code);
  machine.gate(3, CODE + 2);
  interpreter.run(100);
  assert.equal(machine.words[Word.Halted], 1);
  return text;
}

describe('interp/trace', () => {
  it('in_asm prints each instruction once, when it is decoded, with its bytes', () => {
    // mov ecx, 2; loop $; hlt
    const text = trace(['in_asm'], [0xb9, 2, 0, 0, 0, 0xe2, 0xfe, 0xf4]);
    assert.deepEqual(
      text.split('\n').map((line) => line.replace(/ +/g, ' ')),
      [
        '----------------',
        'IN:',
        '0x00010000: b9 02 00 00 00 mov ecx, 0x2',
        '0x00010005: e2 fe loop 0x10005',
        '0x00010007: f4 hlt',
        '',
      ],
    );
  });

  it('exec prints each instruction that runs', () => {
    const text = trace(['exec'], [0xb9, 2, 0, 0, 0, 0xe2, 0xfe, 0xf4]);
    assert.deepEqual(text.match(/Trace \w+/g), [
      'Trace 00010000',
      'Trace 00010005',
      'Trace 00010005',
      'Trace 00010007',
    ]);
  });

  it('cpu prints the registers before each instruction', () => {
    const text = trace(['cpu']);
    assert.match(text, /^EAX=00000000 EBX=00000000 .*\n.*ESP=00020000\nEIP=00010000 EFL=00000002 CPL=0 /);
    assert.match(text, /\nEAX=00000001 .*\n.*\nEIP=00010001 /);
    assert.match(text, /\nES=0010 00000000 ffffffff CS=0008 00000000 ffffffff /);
  });

  it('int prints interrupts and exceptions before they are delivered', () => {
    assert.equal(trace(['int']).trim(), '0: v=03 #BP i=1 cpl=0 IP=0008:00010002 SP=0010:00020000 EAX=00000001');
  });

  it('does not change what runs', () => {
    const machine = new TestMachine();
    machine.gate(3, CODE + 2);
    machine.place(program);
    machine.interpreter.run(100);
    const traced = new TestMachine();
    traced.gate(3, CODE + 2);
    traced.place(program);
    new Interpreter(traced.cpu, traced.phys, new Tracer(['in_asm', 'exec', 'cpu', 'int'], () => undefined)).run(100);
    assert.deepEqual([...traced.words], [...machine.words]);
  });
});
