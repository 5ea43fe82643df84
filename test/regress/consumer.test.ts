/** The package as a program of somebody else's sees it: its types without this project's compiler options, and odd ways to start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';
import ts from 'typescript';
import { flatKernel } from '../helpers/flatKernel.js';

const index = fileURLToPath(new URL('../../src/index.js', import.meta.url));

const PROGRAM = `
import { ConfigError, ExitReason, Machine, type MachineOptions, remus, type Statistics } from '${index}';
const options: MachineOptions = { ...remus(), signals: [{ signal: 'SIGUSR1', irq: 5 }] };
const machine = new Machine(options);
machine.on('debug', (bytes) => process.stdout.write(bytes));
await machine.start().catch((error: unknown) => { if (error instanceof ConfigError) throw error; });
const statistics: Statistics = machine.stats();
export const isWell = (await machine.ended).reason === ExitReason.Shutdown && statistics.instructions > 0;
// @ts-expect-error there is no such event
machine.on('nonsense', () => undefined);
`;

describe('regress: consumer', () => {
  it('types check with isolatedModules, verbatimModuleSyntax and without skipLibCheck', function () {
    this.timeout(30_000);
    const options: ts.CompilerOptions = {
      strict: true,
      noEmit: true,
      isolatedModules: true,
      verbatimModuleSyntax: true,
      skipLibCheck: false,
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2022.d.ts'],
      types: ['node'],
    };
    const name = fileURLToPath(new URL('consumer.mts', import.meta.url));
    const standard = ts.createCompilerHost(options);
    const host: ts.CompilerHost = {
      ...standard,
      fileExists: (path) => path === name || standard.fileExists(path),
      getSourceFile: (path, target) =>
        path === name ? ts.createSourceFile(path, PROGRAM, target) : standard.getSourceFile(path, target),
    };
    const program = ts.createProgram([name], options, host);
    // The program's and the package's own files; what stands in @types/node is not ours to check.
    const files = program.getSourceFiles().filter(({ fileName }) => !fileName.includes('/node_modules/'));
    assert.ok(files.length > 5, 'the declarations are found');
    const diagnostics = files.flatMap((file) => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ]);
    assert.deepEqual(
      diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' ')),
      [],
    );
  });

  it('runs from a module given with -e', () => {
    const program = `
      import { Machine, remus } from '${index}';
      const machine = new Machine({ ...remus(), memoryBytes: 16 << 20 });
      await machine.start();
      await machine.stop();
      console.log('well');`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 15_000,
    });
    assert.equal(stdout, 'well\n', stderr);
  });

  it('keeps running when the file for the debug console is full', () => {
    const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
    const program = `import { main } from '${main}'; process.exitCode = await main(process.argv.slice(1));`;
    const folder = mkdtempSync(join(tmpdir(), 'romulus-'));
    const kernel = join(folder, 'kernel');
    // mov ecx, 8192; mov al, 'A'; 1: out 0xe9, al; loop 1b; mov al, 0x10; out 0xf4, al
    const code = [0xb9, 0, 0x20, 0, 0, 0xb0, 0x41, 0xe6, 0xe9, 0xe2, 0xfc, 0xb0, 0x10, 0xe6, 0xf4];
    writeFileSync(kernel, flatKernel(code));
    const words = ['run', '-m', '16M', '--kernel', kernel, '--debugcon', '/dev/full', '--timeout', '10'];
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program, '--', ...words], {
      encoding: 'utf8',
      timeout: 15_000,
    });
    rmSync(folder, { recursive: true });
    assert.equal(status, 0x21, stderr);
    assert.match(stderr, /cannot write to '\/dev\/full' any more, debug output is dropped/);
  });
});
