/** The terminal: the Ctrl-A keys, raw mode on and off, flow of bytes both ways. */
import assert from 'node:assert/strict';
import { Duplex, PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { EscapeFilter, Terminal, type TerminalCommand, type TerminalOwner } from '../../../src/cli/terminal.js';

const feed = (filter: EscapeFilter, text: string): string[] =>
  filter.feed(Buffer.from(text)).map((part) => (typeof part === 'string' ? `<${part}>` : Buffer.from(part).toString()));

/** A guest's console: remembers what is typed; it takes none while `isDeaf`. */
class Guest extends Duplex {
  typed = '';
  isDeaf = false;
  override _read(): void {
    return;
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.typed += chunk.toString();
    if (!this.isDeaf) done();
  }
}

class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

class Keyboard extends PassThrough {
  rawModes: boolean[] = [];
  constructor(readonly isTTY: boolean) {
    super();
  }
  setRawMode(raw: boolean): void {
    this.rawModes.push(raw);
  }
}

interface Bench {
  guest: Guest;
  stdin: Keyboard;
  stdout: Sink;
  stderr: Sink;
  commands: (TerminalCommand | 'lost')[];
  sizes: string[];
  terminal: Terminal;
}

function bench(isTty: boolean, size?: { columns: number; rows: number }): Bench {
  const guest = new Guest();
  const stdin = new Keyboard(isTty);
  const stdout = Object.assign(new Sink(), { isTTY: isTty, ...size });
  const sizes: string[] = [];
  const stderr = new Sink();
  const commands: Bench['commands'] = [];
  const owner: TerminalOwner = {
    command: (command) => void commands.push(command),
    lost: () => void commands.push('lost'),
    resized: (columns, rows) => void sizes.push(`${columns}x${rows}`),
  };
  const terminal = new Terminal(guest, guest, { stdin, stdout, stderr }, owner);
  terminal.open();
  return { guest, stdin, stdout, stderr, commands, sizes, terminal };
}

describe('cli/terminal', () => {
  it('passes bytes and finds commands after Ctrl-A', () => {
    const filter = new EscapeFilter();
    assert.deepEqual(feed(filter, 'ls\r'), ['ls\r']);
    assert.deepEqual(feed(filter, 'a\x01xb\x01sc\x01h'), ['a', '<quit>', 'b', '<status>', 'c', '<help>']);
    assert.deepEqual(feed(filter, '\x01X\x01?'), ['<quit>', '<help>']);
  });

  it('sends Ctrl-A for Ctrl-A Ctrl-A', () => {
    const filter = new EscapeFilter();
    assert.equal(feed(filter, 'a\x01\x01b').join(''), 'a\x01b');
    assert.equal(feed(filter, '\x01\x01\x01\x01x').join(''), '\x01\x01x');
    assert.equal(feed(filter, '\x01\x01\x01x').join(''), '\x01<quit>');
  });

  it('remembers a Ctrl-A at the end of a chunk', () => {
    const filter = new EscapeFilter();
    assert.deepEqual(feed(filter, 'a\x01'), ['a']);
    assert.deepEqual(feed(filter, 'x'), ['<quit>']);
    assert.deepEqual(feed(filter, '\x01'), []);
    assert.deepEqual(feed(filter, '\x01'), ['\x01']);
  });

  it('turns raw mode on, and off again at every close', () => {
    const { stdin, terminal } = bench(true);
    assert.deepEqual(stdin.rawModes, [true]);
    terminal.suspend();
    terminal.reopen();
    terminal.close();
    terminal.close();
    terminal.reopen();
    assert.deepEqual(stdin.rawModes, [true, false, true, false]);
  });

  it('restores the terminal when the process exits without closing it', () => {
    const before = process.listeners('exit');
    const { stdin, terminal } = bench(true);
    const added = process.listeners('exit').find((listener) => !before.includes(listener));
    added?.(0);
    assert.deepEqual(stdin.rawModes, [true, false]);
    terminal.close();
    assert.deepEqual(process.listeners('exit'), before);
  });

  it('tells the size of a terminal at once and when it changes, and nothing of what is none', () => {
    const { stdout, sizes, terminal } = bench(true, { columns: 80, rows: 25 });
    Object.assign(stdout, { columns: 132, rows: 50 });
    stdout.emit('resize');
    terminal.close();
    stdout.emit('resize');
    assert.deepEqual(sizes, ['80x25', '132x50']);
    const file = bench(false);
    file.terminal.close();
    assert.deepEqual(file.sizes, []);
  });

  it('types to the guest and obeys commands on a terminal', async () => {
    const { guest, stdin, commands, terminal } = bench(true);
    stdin.write('ps\r\x01s\x01x');
    await turn();
    assert.equal(guest.typed, 'ps\r');
    assert.deepEqual(commands, ['status', 'quit']);
    terminal.close();
  });

  it('passes every byte of a stdin that is no terminal', async () => {
    const { guest, stdin, commands, terminal } = bench(false);
    stdin.end('a\x01xb');
    await turn();
    assert.equal(guest.typed, 'a\x01xb');
    assert.deepEqual([commands, stdin.rawModes], [[], []]);
    terminal.close();
  });

  it('prints what the guest prints and ends on a fresh line', async () => {
    const { guest, stdout, terminal } = bench(true);
    guest.push('remus# ');
    await turn();
    terminal.close();
    assert.equal(stdout.text, 'remus# \n');
  });

  it('stays alive for Ctrl-A when the guest does not read', async () => {
    const { guest, stdin, stderr, commands, terminal } = bench(true);
    guest.isDeaf = true;
    for (let chunk = 0; chunk < 5; chunk++) {
      stdin.write('x'.repeat(8192));
      await turn();
    }
    stdin.write('\x01x');
    await turn();
    assert.deepEqual(commands, ['quit']);
    assert.deepEqual(new Set(stderr.text), new Set(['\x07']));
    assert(guest.writableLength <= 16384);
    terminal.close();
  });

  it('tells its owner once when the output is gone', async () => {
    const { guest, stdout, commands, terminal } = bench(false);
    stdout.emit('error', new Error('write EPIPE'));
    stdout.emit('error', new Error('write EPIPE'));
    guest.push('more');
    await turn();
    assert.deepEqual(commands, ['lost']);
    assert.equal(stdout.text, '');
    terminal.close();
  });
});
