/** What is said of a kernel before it boots in silence: from a configuration beside it or within it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { kernelConfig, kernelWarnings } from '../../../src/linux/kernelConfig.js';
import { bzImage, elfFile, multibootElf } from '../../helpers/kernels.js';

const GOOD = 'CONFIG_SERIAL_8250_CONSOLE=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_BINFMT_ELF=y\n';
const CONSOLE = 'quiet console=ttyS0';

/** The configuration as the kernel has it. */
const ikconfig = (text: string): Buffer =>
  Buffer.concat([Buffer.from('IKCFG_ST'), gzipSync(text), Buffer.from('IKCFG_ED')]);

describe('linux/kernelConfig', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'romulus-kernel-'))));
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: Uint8Array | string): string => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  it('reads the file beside the kernel', async () => {
    const path = file('vmlinuz-6.1-beside', bzImage());
    file('config-6.1-beside', `${GOOD}# CONFIG_PCI is not set\nCONFIG_CMDLINE="a b"\n`);
    const config = await kernelConfig(path, bzImage());
    assert.equal(config?.get('BINFMT_ELF'), 'y');
    assert.equal(config?.get('CMDLINE'), '"a b"');
    assert.equal(config?.has('PCI'), false);
    assert.deepEqual(await kernelWarnings(path, CONSOLE), []);
  });

  it('reads what is in the kernel, packed by gzip or not packed', async () => {
    const packed = bzImage({ code: gzipSync(Buffer.concat([Buffer.alloc(100), ikconfig(GOOD)])) });
    const plain = elfFile({ segments: [{ bytes: ikconfig(GOOD) }] });
    for (const kernel of [packed, plain]) {
      assert.equal((await kernelConfig('bzImage', kernel))?.get('BINFMT_ELF'), 'y');
      assert.deepEqual(await kernelWarnings(file('bzImage', kernel), CONSOLE), []);
    }
  });

  it('names what is missing', async () => {
    const text = GOOD.replace('8250_CONSOLE=y', '8250_CONSOLE=m') + 'CONFIG_X86_PAE=y\n';
    const path = file('lacking', bzImage({ code: gzipSync(ikconfig(text)) }));
    const [driver, pae, ...rest] = await kernelWarnings(path, CONSOLE);
    assert.match(driver, /without CONFIG_SERIAL_8250_CONSOLE=y, so it has no driver for the console/);
    assert.match(pae, /CONFIG_X86_PAE=y, which this processor has not/);
    assert.deepEqual(rest, []);
  });

  it('asks for a console where neither the command line nor the kernel names one', async () => {
    const path = file('silent', bzImage({ code: gzipSync(ikconfig(GOOD)) }));
    assert.match((await kernelWarnings(path, 'quiet noconsole=1'))[0], /give --append 'console=ttyS0'/);
    const told = file('told', bzImage({ code: gzipSync(ikconfig(`${GOOD}CONFIG_CMDLINE="console=ttyS0"\n`)) }));
    assert.deepEqual(await kernelWarnings(told, ''), []);
  });

  it('has nothing to say of other kernels, and of what it cannot unpack', async () => {
    assert.deepEqual(await kernelWarnings(file('multiboot', multibootElf()), ''), []);
    assert.deepEqual(await kernelWarnings(file('text', 'no kernel'), ''), []);
    const damaged = bzImage({ code: Uint8Array.of(0x1f, 0x8b, 1, 2, 3) });
    assert.equal(await kernelConfig('damaged', damaged), undefined);
    assert.deepEqual(await kernelWarnings(file('damaged', damaged), CONSOLE), []);
  });
});
