/** Debian's order of versions, against dpkg where the host has it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { compareVersions } from '../../../src/linux/debianVersion.js';

/** From old to new. */
const ordered =
  '~~ ~~a ~ 0~rc1-1 0-0~1 0 0-1 0a 0+b 0.1 1.0~beta1~svn1245 1.0~beta1 1.0 1.0-1 1.0-1+b1 1.0-1+deb12u1 1.0-1.1 1.0-9 1.0-10 1.0a 1.0+git1 1.0.1 1.2 1.10 2-1-1 10 1:0.1 2:0'.split(
    ' ',
  );

describe('compareVersions', () => {
  it('orders versions as Debian policy does', () => {
    ordered.forEach((left, at) =>
      ordered.forEach((right, other) =>
        assert.equal(Math.sign(compareVersions(left, right)), Math.sign(at - other), `${left} and ${right}`),
      ),
    );
  });

  it('takes leading zeros and a zero epoch for nothing', () => {
    assert.equal(compareVersions('1.007', '1.7'), 0);
    assert.equal(compareVersions('0:1.0', '1.0'), 0);
  });

  it('agrees with dpkg on neighbours', function () {
    for (let index = 4; index < ordered.length; index++) {
      const [left = '', right = ''] = [ordered[index - 1], ordered[index]];
      const { status, error } = spawnSync('dpkg', ['--compare-versions', left, 'lt', right]);
      if (error !== undefined) this.skip(); // no dpkg on this host
      assert.equal(status, 0, `${left} lt ${right}`);
    }
  });
});
