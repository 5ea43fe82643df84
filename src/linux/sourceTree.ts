/**
 * The tree that a kernel is built from: links to the files of a source that stays as it is, and real files where ours are added or
 * patches change something.
 *
 * A file is written only if its contents are new, so that make builds no more than it must when patches or source have changed. Read
 * before: `kernelSource.ts`. Read after: `buildKernel.ts`.
 */
import { type Dirent, existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { HostError } from '../errors.js';
import { needProgram, runProgram } from './programs.js';
import type { Task } from './progress.js';

/** Folders that no i386 kernel is built from, and what a build in the source has left. */
const LEFT_OUT =
  /^(\.git|\.config(\.old)?|tools\/(perf|testing)|include\/(config|generated)|arch\/x86\/include\/generated)$/;
/** Of the documentation and of other architectures only the options count, as Kconfig files name each other. */
const OPTIONS_ONLY = /^(Documentation|arch\/(?!x86\/)[^/]+)\//;
const OPTIONS = /^Kconfig/;
const BUILT = /\.(o|a|ko|cmd|mod)$/;

/** Names of the files that are not links, one a line: what an earlier set of patches has made must go when they no longer do. */
const OWN_FILES = 'own-files';

/** Our part: `files/`, `patches/series`, and the patches that it names. */
export interface Overlay {
  readonly folder: string;
}

/**
 * Makes or updates the tree.
 *
 * @param folder gets `tree/` and notes about it
 * @returns the tree's path
 * @throws HostError `PATCH_FAILED`, `PROGRAM_MISSING`
 */
export async function prepareTree(source: string, overlay: Overlay, folder: string, task: Task): Promise<string> {
  const tree = join(folder, 'tree');
  task.progress('linking the source');
  await linkFolder(source, tree, '', task.signal);
  const wanted = new Map([...(await addedFiles(overlay)), ...(await patchedFiles(source, overlay, folder, task))]);
  const notePath = join(folder, OWN_FILES);
  const earlier = (await readFile(notePath, 'utf8').catch(() => '')).split('\n').filter((name) => name !== '');
  await writeFile(notePath, [...new Set([...earlier, ...wanted.keys()])].join('\n'));
  for (const name of earlier) if (!wanted.has(name)) await giveBack(source, tree, name);
  for (const [name, bytes] of wanted) await writeIfNew(join(tree, name), bytes);
  await writeFile(notePath, [...wanted.keys()].join('\n'));
  return tree;
}

/** @param inner path below the source, '' for its root */
async function linkFolder(source: string, tree: string, inner: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await mkdir(join(tree, inner), { recursive: true });
  const there = new Set(await readdir(join(tree, inner)));
  const entries = await readdir(join(source, inner), { withFileTypes: true });
  await Promise.all(
    entries
      .filter((entry) => isTaken(inner, entry))
      .map(async (entry) => {
        const name = join(inner, entry.name);
        if (entry.isDirectory()) await linkFolder(source, tree, name, signal);
        else if (!there.has(entry.name)) await symlink(join(source, name), join(tree, name));
      }),
  );
}

function isTaken(inner: string, entry: Dirent): boolean {
  const path = join(inner, entry.name);
  if (LEFT_OUT.test(path) || BUILT.test(entry.name)) return false;
  return entry.isDirectory() || OPTIONS.test(entry.name) || !OPTIONS_ONLY.test(path);
}

async function addedFiles({ folder }: Overlay): Promise<[string, Buffer][]> {
  const root = join(folder, 'files');
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    paths.map(async (path): Promise<[string, Buffer]> => [relative(root, path), await readFile(path)]),
  );
}

/** The files that patches change, as they are with all patches. */
async function patchedFiles(
  source: string,
  overlay: Overlay,
  folder: string,
  task: Task,
): Promise<Map<string, Buffer>> {
  const patch = needProgram('patch', 'patch', 'to build Linux');
  const root = join(overlay.folder, 'patches');
  const series = (await readFile(join(root, 'series'), 'utf8')).split('\n').filter((name) => name !== '');
  const scratch = await mkdtemp(join(folder, 'patching-'));
  const touched = new Set<string>();
  try {
    for (const name of series) {
      const text = await readFile(join(root, name), 'utf8');
      for (const [, path = ''] of text.matchAll(/^\+\+\+ b\/(\S+)/gm)) {
        if (touched.has(path)) continue;
        touched.add(path);
        await mkdir(dirname(join(scratch, path)), { recursive: true });
        if (existsSync(join(source, path))) await copyFile(join(source, path), join(scratch, path));
      }
      await applyPatch(patch, scratch, join(root, name), task);
    }
    const files = new Map<string, Buffer>();
    for (const path of touched) files.set(path, await readFile(join(scratch, path)));
    return files;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function applyPatch(program: string, folder: string, file: string, task: Task): Promise<void> {
  const words = ['--strip=1', '--batch', '--forward', '--silent', '--directory', folder, '--input', file];
  await runProgram(program, words, task.signal).catch((error: unknown) => {
    task.signal.throwIfAborted();
    throw new HostError(
      'PATCH_FAILED',
      `'${file}' does not fit this source: it has changed too much since the patch was written; use Debian's linux-source-6.1`,
      { cause: error },
    );
  });
}

async function writeIfNew(path: string, bytes: Buffer): Promise<void> {
  const old = await readFile(path).catch(() => undefined);
  if (old?.equals(bytes) === true) return;
  await mkdir(dirname(path), { recursive: true });
  // It may be a link to the source, which is not to be written to.
  await rm(path, { force: true });
  await writeFile(path, bytes);
}

async function giveBack(source: string, tree: string, name: string): Promise<void> {
  await rm(join(tree, name), { force: true });
  if (existsSync(join(source, name))) await symlink(join(source, name), join(tree, name));
}
