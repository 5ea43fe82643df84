/**
 * `romulus rom`: builds the ROM image and either explains it or writes it to a file.
 *
 * Read before: `../rom/image.ts`, `../rom/describe.ts`.
 */
import { writeFileSync } from 'node:fs';
import { HostError } from '../errors.js';
import { describeRom, formatRom } from '../rom/describe.js';
import { buildImage } from '../rom/image.js';

/**
 * @param output file to write the image to; undefined prints header, calls and disassembly on stdout
 * @throws HostError `FILE_UNWRITABLE`
 */
export function rom(output: string | undefined): void {
  const image = buildImage();
  if (output === undefined) {
    process.stdout.write(formatRom(describeRom(image)));
    return;
  }
  try {
    writeFileSync(output, image);
  } catch (error) {
    throw new HostError('FILE_UNWRITABLE', `cannot write the ROM to '${output}': ${(error as Error).message}`, {
      cause: error,
    });
  }
  process.stdout.write(`wrote ${image.length} bytes to ${output}\n`);
}
