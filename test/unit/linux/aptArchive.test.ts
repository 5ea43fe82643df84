/** Reading the host's sources of packages. */
import assert from 'node:assert/strict';
import { chooseEntries, describeFailure, parseDeb822, parseOneLine } from '../../../src/linux/aptArchive.js';

const main = { components: ['main'] };

describe('sources of packages', () => {
  it('reads the one-line style', () => {
    const text = `# comment\ndeb-src http://a.example/debian bookworm main\n
deb http://a.example/debian bookworm main contrib # words
deb [ arch=i386,amd64 signed-by=/k.gpg ] https://b.example/x stable  main`;
    assert.deepEqual(parseOneLine(text), [
      { uri: 'http://a.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
      { uri: 'https://b.example/x', suite: 'stable', components: ['main'], signedBy: '/k.gpg' },
    ]);
  });

  it('reads the style of stanzas', () => {
    const text = `# comment\nTypes: deb deb-src\nURIs: http://a.example/debian http://b.example/debian\nSuites: bookworm\n bookworm-updates
Components: main\n# comment inside\nSigned-By: /k.gpg\n\nTypes: deb-src\nURIs: u\nSuites: s\nComponents: main
\nEnabled: no\nTypes: deb\nURIs: u\nSuites: s\nComponents: main\n
Types: deb\nURIs: http://c.example/\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xyz\n`;
    assert.deepEqual(parseDeb822(text), [
      { uri: 'http://a.example/debian', suite: 'bookworm', ...main, signedBy: '/k.gpg' },
      { uri: 'http://a.example/debian', suite: 'bookworm-updates', ...main, signedBy: '/k.gpg' },
      { uri: 'http://b.example/debian', suite: 'bookworm', ...main, signedBy: '/k.gpg' },
      { uri: 'http://b.example/debian', suite: 'bookworm-updates', ...main, signedBy: '/k.gpg' },
      { uri: 'http://c.example/', suite: 'sid', ...main },
    ]);
  });

  it('chooses the entries of our release, and no other archive', () => {
    const ours = { uri: 'http://a.example/debian', suite: 'bookworm', ...main };
    const security = { uri: 'http://a.example/debian-security', suite: 'bookworm-security', ...main };
    const foreign = { uri: 'http://c.example/', suite: 'bookworm-pgdg', components: ['extra'] };
    assert.deepEqual(chooseEntries([foreign, ours, security]), [ours, security]);
  });

  it('asks the mirror of another release of Debian for ours', () => {
    const trixie = { uri: 'http://a.example/debian/', suite: 'trixie', ...main };
    assert.deepEqual(chooseEntries([trixie]), [{ ...trixie, suite: 'bookworm' }]);
  });

  it('tells which lists apt could not fetch, and why, in short', () => {
    const message =
      "'apt-get' failed (exit status 100): Failed to fetch http://a.example/debian-security/dists/bookworm-security/main/binary-i386/Packages.xz" +
      '  File has unexpected size (346968 != 370248). Mirror sync in progress? [IP: 192.0.2.1 80]; ' +
      'Failed to fetch http://a.example/debian/dists/bookworm/InRelease  Could not resolve host; ' +
      'Failed to fetch http://a.example/debian/dists/bookworm-updates/InRelease  Could not resolve host; ' +
      'Some index files failed to download. They have been ignored, or old ones used instead.';
    assert.equal(
      describeFailure(message),
      'apt cannot fetch the list of packages of bookworm-security (File has unexpected size (346968 != 370248). Mirror sync in progress?) and of bookworm, bookworm-updates (Could not resolve host)',
    );
    assert.match(describeFailure("'apt-get' failed (SIGSEGV)"), /packages: 'apt-get' failed \(SIGSEGV\)$/);
  });

  it('asks for a mirror where the host has none', () => {
    for (const entries of [[], [{ uri: 'http://a.example/ubuntu', suite: 'noble', ...main }]])
      assert.throws(() => chooseEntries(entries), { code: 'NO_ARCHIVE', message: /--mirror URL/ });
  });
});
