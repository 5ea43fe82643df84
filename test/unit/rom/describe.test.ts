import assert from 'node:assert/strict';
import { calls } from '../../../src/rom/calls.js';
import { describeRom, formatRom } from '../../../src/rom/describe.js';
import { buildImage } from '../../../src/rom/image.js';

describe('rom/describe', () => {
  const description = describeRom(buildImage());

  it('reads the header from the bytes', () => {
    const fields = new Map(description.header.map((field) => [field.name, field.value]));
    assert.equal(fields.get('VMI signature'), '"cVmi"');
    assert.equal(fields.get('API version'), '3.0');
    assert.equal(fields.get('licence'), '"GPL v2"');
    assert.equal(fields.get('manufacturer'), '"Romulus"');
    assert.match(fields.get('checksum') ?? '', /^good/);
  });

  it('tells a damaged image', () => {
    const image = buildImage();
    image[0x500] ^= 1;
    assert.match(describeRom(image).header.at(-1)?.value ?? '', /^BAD/);
  });

  it('lists every call', () => {
    assert.deepEqual(
      description.entries.map((entry) => entry.name),
      calls.map((call) => call.name),
    );
  });

  it('disassembles the entry points and every stub', () => {
    const text = description.disassembly.join('\n');
    assert.match(text, /0080 <vmi_init>\n0080 {3}e9 5b 08 00 00 {3}jmp 0x8e0\n/);
    assert.match(text, /<29 EnableInterrupts>\n.* 0f 01 c1 +vmcall\n.* c3 +ret\n/);
    assert.match(text, /<33 IRET>\n.* vmcall\n0620 </);
    assert.match(text, /<23 WBINVD>\n.* c3 +ret\n0580 </);
    assert.match(text, /<26 RDPMC>\n.* 0f 0b +ud2\n/);
  });

  it('prints as text with one line per call', () => {
    const text = formatRom(description);
    for (const call of calls)
      assert.match(text, new RegExp(`^ +${call.number}  [0-9a-f]{4}   ${call.shape} +${call.name}\\b`, 'm'));
  });
});
