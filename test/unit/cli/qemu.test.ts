/** QEMU's spellings: what is taken over, what is accepted without effect, what is refused. */
import assert from 'node:assert/strict';
import { translateQemu } from '../../../src/cli/qemu.js';

const translate = (line: string): string => translateQemu(line.split(' ')).join(' ');

describe('cli/qemu', () => {
  it('takes a usual QEMU line', () => {
    const line = '-kernel k -initrd i -append quiet -m 64 -nographic -no-reboot -serial stdio -debugcon file:log';
    assert.equal(translate(line), '--kernel=k --initrd=i --append=quiet -m 64 --serial=stdio --debugcon=log');
  });

  it('accepts what is so anyway', () => {
    const line = '-display none -monitor none -device isa-debug-exit,iobase=0xf4,iosize=0x04';
    assert.deepEqual(translateQemu(line.split(' ')), []);
  });

  it('takes disks and devices', () => {
    const line = '-drive file=a.img,if=virtio -device virtio-rng-pci -serial mon:stdio';
    assert.equal(translate(line), '--drive=file=a.img,if=virtio --device=virtio-rng-pci --serial=mon:stdio');
  });

  it('leaves its own spellings alone', () => {
    const line = '--kernel k -m64M -m 8M -v -h --no-rom --memory=64M --stats - -1';
    assert.equal(translate(line), line);
  });

  it('leaves values alone that look like options', () => {
    assert.deepEqual(translateQemu(['--append', '-kernel', '-append', '-hda x']), [
      '--append',
      '-kernel',
      '--append=-hda x',
    ]);
    assert.deepEqual(translateQemu(['--', '-hda']), ['--', '-hda']);
  });

  const refused: [string, RegExp][] = [
    ['-hda disk.img', /^QEMU's option '-hda' is not supported: disks are virtio ones/],
    ['-smp 2', /one processor/],
    ['-enable-kvm', /no KVM/],
    ['-s', /no debugger stub/],
    ['-nosuch', /^unknown option '-nosuch'$/],
    ['-vm', /^unknown option '-vm'$/],
    ['-toString', /^unknown option '-toString'$/],
    ['-kernel', /^option '-kernel' needs a value$/],
    ['-serial', /^option '-serial' needs a value$/],
  ];
  for (const [line, message] of refused)
    it(`refuses ${line}`, () => assert.throws(() => translate(line), { name: 'ConfigError', message }));
});
