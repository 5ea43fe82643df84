import assert from 'node:assert/strict';
import { parseDevice, parseDrive, parseSerial } from '../../src/deviceOptions.js';
import { announceMmio, plugsOf } from '../../src/machine/plugs.js';

describe('deviceOptions', () => {
  it('takes drives as QEMU spells them', () => {
    assert.deepEqual(parseDrive('disk.img'), { file: 'disk.img' });
    assert.deepEqual(parseDrive('file=a,,b.img,if=virtio,format=raw,readonly=on,snapshot=off,serial=X1'), {
      file: 'a,b.img',
      if: 'virtio',
      format: 'raw',
      readonly: true,
      snapshot: false,
      serial: 'X1',
    });
    assert.deepEqual(parseDrive('if=none,id=d0,file=x,overlay=o'), { file: 'x', if: 'none', id: 'd0', overlay: 'o' });
  });

  const badDrives: [string, RegExp][] = [
    ['if=virtio', /needs an image; give file=IMAGE/],
    ['file=x,if=ide', /'if=ide' of a drive is not there; give virtio/],
    ['file=x,format=qcow2', /format 'qcow2' is not read here; convert/],
    ['file=x,snapshot=yes', /'snapshot=yes' of a drive is not possible; give on or off/],
    ['file=x,cache=none', /a drive has no 'cache'; it takes file, /],
    ['file=x,snapshot=on,overlay=o', /give one of them/],
    ['file=x,readonly=on,overlay=o', /give one of them/],
    ['file=x,serial=123456789012345678901', /longer than 20/],
  ];
  for (const [text, message] of badDrives)
    it(`refuses drive ${text}`, () => assert.throws(() => parseDrive(text), { code: 'BAD_DRIVE', message }));

  it('refuses what is no list of keys', () => {
    for (const text of ['', 'file=x,oops', 'file=x,file=y', 'file='])
      assert.throws(() => parseDrive(text), { code: 'BAD_OPTION' });
  });

  it('takes devices, and refuses those that are not there', () => {
    assert.deepEqual(parseDevice('virtconsole'), { driver: 'virtconsole' });
    assert.deepEqual(parseDevice('virtio-blk-device,drive=d0'), { driver: 'virtio-blk-device', drive: 'd0' });
    for (const [text, message] of [
      ['e1000', /there is no device 'e1000'; give virtio-blk-pci, /],
      ['virtio-blk-pci', /needs drive=ID/],
      ['virtconsole,drive=d0', /takes no drive/],
      ['virtio-rng-pci,max-bytes=4', /is not understood/],
      ['virtio-rng-pci,bus=x', /has no property 'bus' here/],
    ] as const)
      assert.throws(() => parseDevice(text), { name: 'ConfigError', message });
  });

  it('takes places for the serial port', () => {
    assert.equal(parseSerial('mon:stdio'), 'stdio');
    assert.equal(parseSerial('file:a b'), 'file:a b');
    assert.equal(parseSerial('none'), 'null');
    for (const text of ['tcp::1', 'file:', 'pty']) assert.throws(() => parseSerial(text), { code: 'BAD_SERIAL' });
  });
});

describe('machine/plugs', () => {
  const kinds = (plugs: ReturnType<typeof plugsOf>): string[] =>
    plugs.map(({ kind, transport }) => `${kind}:${transport}`);

  it('gives every machine an entropy device, and a console device to who asks for one', () => {
    assert.deepEqual(kinds(plugsOf([], [], false)), ['entropy:pci']);
    assert.deepEqual(kinds(plugsOf([], [], true)), ['console:pci', 'entropy:pci']);
    assert.deepEqual(
      kinds(plugsOf([{ file: 'x' }], [{ driver: 'virtconsole' }, { driver: 'virtio-rng-device' }], false)),
      ['block:pci', 'console:pci', 'entropy:mmio'],
    );
  });

  it('joins drives with the devices that name them', () => {
    const drives = [
      { file: 'x', if: 'none', id: 'd0' },
      { file: 'y', id: 'd1' },
    ] as const;
    const [first, second] = plugsOf(drives, [{ driver: 'virtio-blk-device', drive: 'd0' }], false);
    assert.deepEqual(first, { kind: 'block', transport: 'mmio', drive: drives[0], serial: 'd0' });
    assert.deepEqual(second, { kind: 'block', transport: 'pci', drive: drives[1], serial: 'd1' });
    assert.throws(() => plugsOf(drives, [], false), {
      code: 'BAD_DRIVE',
      message: /exactly one device has to name it/,
    });
    assert.throws(() => plugsOf([], [{ driver: 'virtio-blk-pci', drive: 'd9' }], false), {
      code: 'BAD_DEVICE',
      message: /if=none,id=d9/,
    });
    assert.throws(() => plugsOf([drives[1], drives[1]], [], false), { message: /two drives have the id 'd1'/ });
    assert.throws(() => plugsOf([], [{ driver: 'virtconsole' }, { driver: 'virtconsole' }], false), {
      message: /one virtconsole at most/,
    });
  });

  it('announces virtio-mmio devices as Linux reads them', () => {
    assert.equal(announceMmio(0), '');
    assert.equal(announceMmio(2), ' virtio_mmio.device=512@0xd0000000:10 virtio_mmio.device=512@0xd0001000:11');
  });
});
