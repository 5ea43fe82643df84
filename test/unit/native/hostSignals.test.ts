import assert from 'node:assert/strict';
import { routableSignal, signalName } from '../../../src/hostSignals.js';

describe('hostSignals', () => {
  it('knows signals by any of their names', () => {
    for (const name of ['SIGUSR1', 'usr1', 'USR1', ' 10 ']) assert.equal(routableSignal(name), 10);
    assert.equal(routableSignal('RTMIN+3'), 37);
    assert.equal(routableSignal('SIGRTMAX'), 64);
    assert.equal(routableSignal('sigrtmax-2'), 62);
  });

  it('names numbers', () => {
    assert.equal(signalName(12), 'SIGUSR2');
    assert.equal(signalName(34), 'SIGRTMIN');
    assert.equal(signalName(40), 'SIGRTMIN+6');
    assert.equal(signalName(77), 'signal 77');
  });

  it('says why a signal is refused and what to use instead', () => {
    assert.throws(() => routableSignal('KILL'), {
      code: 'SIGNAL_REFUSED',
      message: /SIGKILL .*no process can catch it; use USR1/,
    });
    assert.throws(() => routableSignal('SIGCHLD'), { code: 'SIGNAL_REFUSED', message: /child processes/ });
    assert.throws(() => routableSignal('RTMIN'), { code: 'SIGNAL_REFUSED', message: /virtual CPUs/ });
    assert.throws(() => routableSignal('32'), { code: 'SIGNAL_REFUSED', message: /C library/ });
    assert.throws(() => routableSignal('0'), { code: 'SIGNAL_REFUSED', message: /no such signal/ });
  });

  it('refuses unknown names', () => {
    for (const name of ['', 'USR3', 'RTMIN-1', 'RTMAX+1', 'RTMIN+99', 'toString', '999']) {
      assert.throws(() => routableSignal(name), { code: 'SIGNAL_UNKNOWN' }, name);
    }
  });
});
