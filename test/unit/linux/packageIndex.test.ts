/** Lists of packages: what is kept of them, what is chosen, and what is refused. */
import assert from 'node:assert/strict';
import { condense, PackageIndex } from '../../../src/linux/packageIndex.js';

const SHA = 'ab'.repeat(32);
const stanza = (name: string, rest = '', version = '1.0'): string =>
  `Package: ${name}\nVersion: ${version}\nArchitecture: i386\n${rest}Filename: pool/${name}_${version}+b1_i386.deb\nSize: 12\nSHA256: ${SHA}\nDescription: words\n Filename: in the text\n\n`;
const indexOf = (...stanzas: string[]): PackageIndex =>
  new PackageIndex(condense(stanzas.join(''), 'http://host.example/debian/'));
const names = (index: PackageIndex, ...wanted: string[]): string[] => index.closure(wanted).map(({ name }) => name);

describe('PackageIndex', () => {
  it('keeps what is needed, with the address of each file', () => {
    const index = indexOf(
      stanza(
        'zlib',
        'Priority: required\nEssential: yes\nPre-Depends: a (>= 1), b:any | c [i386]\nDepends: d\nProvides: v (= 1), w\n',
      ),
    );
    assert.deepEqual(index.get('zlib'), {
      name: 'zlib',
      version: '1.0',
      architecture: 'i386',
      uri: 'http://host.example/debian/pool/zlib_1.0%2Bb1_i386.deb',
      sizeBytes: 12,
      sha256: SHA,
      priority: 'required',
      isEssential: true,
      needs: [['a'], ['b', 'c'], ['d']],
      provides: ['v', 'w'],
    });
  });

  it('takes the newest version whatever the order', () => {
    assert.equal(
      indexOf(stanza('aa', '', '1.9'), stanza('aa', '', '1.10'), stanza('aa', '', '1.2')).get('aa').version,
      '1.10',
    );
  });

  it('follows needs through virtual packages, loops and alternatives', () => {
    const index = indexOf(
      stanza('top', 'Depends: loop, virtual, none | second, first | second\n'),
      stanza('loop', 'Depends: top\n'),
      stanza('real', 'Provides: virtual\n'),
      stanza('first'),
      stanza('second'),
    );
    assert.deepEqual(names(index, 'top'), ['top', 'loop', 'real', 'second']);
  });

  it('is content with another provider that is there', () => {
    const index = indexOf(
      stanza('first', 'Provides: awk\n'),
      stanza('chosen', 'Provides: awk\n'),
      stanza('top', 'Depends: awk\n'),
    );
    assert.deepEqual(names(index, 'chosen', 'top'), ['chosen', 'top']);
  });

  it('names packages by priority', () => {
    const index = indexOf(
      stanza('aa', 'Priority: required\n'),
      stanza('bb', 'Priority: optional\nEssential: yes\n'),
      stanza('cc', 'Priority: optional\n'),
    );
    assert.deepEqual(index.ofPriority('required', 'important'), ['aa', 'bb']);
  });

  it('names a package that is not there', () => {
    assert.throws(() => indexOf(stanza('aa', 'Depends: bb\n')).closure(['aa']), {
      code: 'PACKAGE_MISSING',
      message: /'bb'/,
    });
  });

  it('refuses names, versions and checksums that are none', () => {
    for (const text of [
      stanza('../etc'),
      stanza('aa', '', '1/../..'),
      stanza('aa').replace(SHA, 'ab'),
      stanza('aa').replace('Size: 12', 'Size: x'),
    ])
      assert.throws(() => indexOf(text).get(/^Package: (.*)/.exec(text)?.[1] ?? ''), { code: 'ARCHIVE_DAMAGED' }, text);
  });

  it('takes an empty list', () => assert.equal(indexOf('').size, 0));
});
