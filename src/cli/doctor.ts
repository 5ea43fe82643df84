/**
 * `romulus doctor`: what this host offers and what will run on it. Looks only; changes nothing. Separate from the command line so
 * that programs can ask as well. Read before: `../machine/nativeHost.ts`.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, release, type } from 'node:os';
import { probeHost, type HostProbe } from '../machine/nativeHost.js';

/** `missing` takes something away, `note` does not matter to this version's engines. */
export type FindingStatus = 'ok' | 'missing' | 'note';

/** One thing looked at. */
export interface Finding {
  /** Stable, for programs. */
  readonly id: string;
  readonly title: string;
  readonly status: FindingStatus;
  /** What was found. */
  readonly value: string;
  /** What to do about it, or what it matters for; empty if there is nothing to say. */
  readonly advice: string;
}

export interface DoctorReport {
  readonly findings: readonly Finding[];
  readonly runs: {
    /** The addon is loaded: POSIX timer and signals drive guests. */
    readonly native: boolean;
    /** The packaged guest can be built here. */
    readonly guestBuild: boolean;
    /** One sentence. */
    readonly summary: string;
  };
}

/** Smallest signal queue that leaves a storm of events room. */
const ENOUGH_PENDING_SIGNALS = 1024;

/** Looks at the host. Takes as long as one run of the compiler. */
export function doctor(): DoctorReport {
  const addon = probeHost();
  const compiler = tryCompiler();
  const findings = [
    ...describeHost(),
    addon.probe === undefined
      ? found('addon', 'Native addon', 'missing', 'not loaded', addon.failure)
      : found('addon', 'Native addon', 'ok', 'loaded'),
    ...(addon.probe === undefined
      ? []
      : [
          facility('memfd', 'Shared guest memory (memfd)', addon.probe.memfd, 'guests cannot start with the addon'),
          facility('timer', 'POSIX timers to one thread', addon.probe.timer, 'guests cannot start with the addon'),
          facility(
            'executable',
            'Executable mappings',
            addon.probe.executable,
            'only translated code needs them',
            'note',
          ),
          describeGs(addon.probe),
        ]),
    describeSignalQueue(),
    describeMapCount(),
    compiler,
  ];
  const native = addon.probe !== undefined && addon.probe.memfd === undefined && addon.probe.timer === undefined;
  const guestBuild = compiler.status === 'ok';
  const engine = native
    ? `The ${addon.probe.executable === undefined ? 'translator' : 'interpreter'} runs, driven by POSIX timers and signals`
    : 'The interpreter runs on plain buffers: the clock is polled, and interrupts may be late';
  const guest = guestBuild ? 'Remus can be built' : 'Remus cannot be built, but kernels from elsewhere boot';
  return { findings, runs: { native, guestBuild, summary: `${engine}; ${guest}.` } };
}

/** The report as text for people: one line a finding, then what will run. */
export function formatDoctor(report: DoctorReport): string {
  const width = Math.max(...report.findings.map((finding) => finding.title.length));
  const marks: Readonly<Record<FindingStatus, string>> = { ok: 'ok  ', missing: 'NO  ', note: 'note' };
  const lines = report.findings.map(({ title, status, value, advice }) => {
    const line = `${marks[status]}  ${title.padEnd(width)}  ${value}`;
    return advice === '' ? line : `${line}; ${advice}`;
  });
  return [...lines, '', report.runs.summary, ''].join('\n');
}

function found(id: string, title: string, status: FindingStatus, value: string, advice = ''): Finding {
  return { id, title, status, value, advice };
}

function facility(
  id: string,
  title: string,
  error: string | undefined,
  without: string,
  otherwise: FindingStatus = 'missing',
): Finding {
  return error === undefined
    ? found(id, title, 'ok', 'works')
    : found(id, title, otherwise, `fails with ${error}`, without);
}

function describeHost(): Finding[] {
  const isLinuxX64 = type() === 'Linux' && arch() === 'x64';
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNodeNew = major > 20 || (major === 20 && minor >= 19);
  return [
    found(
      'host',
      'Host',
      isLinuxX64 ? 'ok' : 'missing',
      `${type()} ${release()} on ${arch()}`,
      isLinuxX64 ? '' : 'the addon is made for Linux on x64',
    ),
    found(
      'node',
      'Node',
      isNodeNew ? 'ok' : 'missing',
      `${process.versions.node} (V8 ${process.versions.v8})`,
      isNodeNew ? '' : 'install Node 20.19 or newer',
    ),
    found(
      'cores',
      'Processors',
      availableParallelism() > 1 ? 'ok' : 'note',
      String(availableParallelism()),
      availableParallelism() > 1 ? '' : 'guest and console share one',
    ),
  ];
}

/** The text of a file of /proc, or undefined where there is none. */
function readProc(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function describeGs({ gsWay }: HostProbe): Finding {
  const of = (status: FindingStatus, value: string, advice = ''): Finding =>
    found('fsgsbase', 'FSGSBASE', status, value, advice);
  switch (gsWay) {
    case 'announced':
      return of('ok', 'allowed by the kernel');
    case 'unannounced':
      return of('ok', 'works, though the kernel does not know of it');
    case 'system call':
      return of('note', 'not offered', 'translated code needs a system call for each change of window');
  }
}

function describeSignalQueue(): Finding {
  const limits = readProc('/proc/self/limits')?.toString() ?? '';
  const limit = /^Max pending signals\s+(\S+)/m.exec(limits)?.[1] ?? 'unknown';
  const isEnough = limit === 'unlimited' || Number(limit) >= ENOUGH_PENDING_SIGNALS;
  return found(
    'sigpending',
    'Queued signals (RLIMIT_SIGPENDING)',
    isEnough ? 'ok' : 'note',
    limit,
    isEnough ? '' : 'senders of real-time signals wait when the queue is full; raise it with ulimit -i',
  );
}

function describeMapCount(): Finding {
  const count = readProc('/proc/sys/vm/max_map_count')?.toString().trim() ?? 'unknown';
  return found('mapcount', 'Mappings a process may have', 'note', count, 'only translated code needs many');
}

/** Compiles and links an empty guest: Remus needs gcc with -m32, and no 32-bit libraries. */
function tryCompiler(): Finding {
  const flags = ['-m32', '-ffreestanding', '-nostdlib', '-static', '-Wl,-e,start', '-x', 'c', '-', '-o', '/dev/null'];
  const { error, status } = spawnSync('gcc', flags, {
    input: 'void start(void) {}\n',
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const title = 'gcc -m32 for guests';
  if (error !== undefined) return found('gcc32', title, 'missing', 'gcc does not start', 'install gcc to build Remus');
  return status === 0
    ? found('gcc32', title, 'ok', 'compiles and links')
    : found('gcc32', title, 'missing', 'does not compile', 'install a gcc for x86 that takes -m32');
}
