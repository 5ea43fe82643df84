/** What `romulus linux` makes of options that exclude each other, and of errors. */
import assert from 'node:assert/strict';
import { Command } from 'commander';
import { ofCachedKernel, ofOwnKernel } from '../../../src/cli/linux.js';
import { addLinuxOptions, toLinuxOptions, type LinuxCommandOptions } from '../../../src/cli/linuxOptions.js';
import { ConfigError, RomulusError } from '../../../src/errors.js';

function parse(line: string): LinuxCommandOptions {
  const command = new Command('linux').argument('[command...]').exitOverride();
  addLinuxOptions(command);
  command.parse(line.split(' '), { from: 'user' });
  return toLinuxOptions(command);
}

describe('cli/linux', () => {
  it('takes --clean alone', () => {
    assert.deepEqual(parse('--clean'), { run: {}, clean: true });
    for (const [line, named] of [
      ['--clean --kernel x', /but '--kernel' stood beside it/],
      ['--clean --refresh', /'--refresh'/],
      ['--clean --no-rom -m 64M', /'--memory' and '--no-rom'/],
      ['--clean -- true x', /the command 'true x'/],
    ] as const)
      assert.throws(() => parse(line), { code: 'CLEAN_AND_MORE', message: named });
  });

  it('refuses what cannot go together', () => {
    assert.throws(() => parse('--vmi --kernel x'), { code: 'VMI_AND_KERNEL' });
    assert.throws(() => parse('--mirror bogus'), { code: 'BAD_MIRROR' });
    assert.throws(() => parse('--keyring k'), { code: 'KEYRING_WITHOUT_MIRROR' });
    assert.throws(() => parse('--no-native'), { code: 'NO_FPU' });
    assert.throws(() => parse('--vmi --no-native'), { code: 'NO_FPU' });
    assert.deepEqual(parse('--no-native --kernel x').run, { native: false, kernel: 'x' });
  });

  it('says what a kernel of the user may lack where no command could be run', () => {
    const notRun = new RomulusError('COMMAND_NOT_RUN', 'the machine ended');
    const messageOf = (isOurInitrd: boolean): string => (ofOwnKernel(notRun, isOurInitrd) as Error).message;
    assert.match(messageOf(true), /^the machine ended; .*CONFIG_VIRTIO_PCI=y, CONFIG_VIRTIO_CONSOLE=y/);
    assert.match(messageOf(false), /romulus-agent/);
    const other = new ConfigError('KERNEL_TRUNCATED', 'truncated');
    assert.equal(ofOwnKernel(other, true), other);
  });

  it('names the cure for a kernel that is damaged in the cache', () => {
    const truncated = new ConfigError('KERNEL_TRUNCATED', "kernel 'vmlinux' is truncated: 1 byte; copy it again");
    const error = ofCachedKernel(truncated, '/cache/kernels/6.1/vmlinux') as ConfigError;
    assert.equal(error.code, 'CACHE_DAMAGED');
    assert.match(error.message, /truncated: 1 byte; remove the folder '\/cache\/kernels\/6\.1',/);
    const other = new ConfigError('KERNEL_OUTSIDE_RAM', 'it needs more memory');
    assert.equal(ofCachedKernel(other, '/cache/kernels/6.1/vmlinux'), other);
  });
});
