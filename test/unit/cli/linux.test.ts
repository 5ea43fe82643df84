/** What `romulus linux` makes of errors. */
import assert from 'node:assert/strict';
import { ofCachedKernel } from '../../../src/cli/linux.js';
import { ConfigError } from '../../../src/errors.js';

describe('cli/linux', () => {
  it('names the cure for a kernel that is damaged in the cache', () => {
    const truncated = new ConfigError('KERNEL_TRUNCATED', "kernel 'vmlinux' is truncated: 1 byte; copy it again");
    const error = ofCachedKernel(truncated, '/cache/kernels/6.1/vmlinux') as ConfigError;
    assert.equal(error.code, 'CACHE_DAMAGED');
    assert.match(error.message, /truncated: 1 byte; remove the folder '\/cache\/kernels\/6\.1',/);
    const other = new ConfigError('KERNEL_OUTSIDE_RAM', 'it needs more memory');
    assert.equal(ofCachedKernel(other, '/cache/kernels/6.1/vmlinux'), other);
  });
});
