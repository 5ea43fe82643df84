/**
 * The index of an archive: which packages there are, what they need, and the checksum of each file.
 *
 * Separate from the ways to get one (`aptArchive.ts`, `mirrorArchive.ts`) because both give the same text, and tests can write it by
 * hand. Names and file names become paths on this host, so they are checked here. Read before: `debianVersion.ts`.
 */
import { HostError } from '../errors.js';
import { compareVersions } from './debianVersion.js';

/** A binary package, as a stanza of `Packages` tells it. (Debian policy, 5.3 and 5.6) */
export interface Package {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Where its file can be fetched. */
  readonly uri: string;
  readonly sizeBytes: number;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
  readonly priority: string;
  readonly isEssential: boolean;
  /** Names of which one must be there, for each need; Pre-Depends first. Versions are left out: an archive agrees with itself. */
  readonly needs: readonly (readonly string[])[];
  /** Virtual packages that it stands for. */
  readonly provides: readonly string[];
}

/** Fields that are kept when an index is stored. */
const FIELDS = [
  'Package',
  'Version',
  'Architecture',
  'Priority',
  'Essential',
  'Pre-Depends',
  'Depends',
  'Provides',
  'Filename',
  'Size',
  'SHA256',
] as const;
type Field = (typeof FIELDS)[number] | 'URI';

const fieldPatterns = new Map(
  [...FIELDS, 'URI' as const].map((field) => [field, new RegExp(`^${field}: *(.*)$`, 'm')]),
);
const read = (stanza: string, field: Field): string => fieldPatterns.get(field)?.exec(stanza)?.[1]?.trim() ?? '';

/**
 * Shortens `Packages` to the fields used here and puts the full address of each file in.
 *
 * @param base address of the archive's root, which `Filename` is relative to
 */
export function condense(packages: string, base: string): string {
  const root = base.endsWith('/') ? base : `${base}/`;
  const stanzas: string[] = [];
  for (const stanza of packages.split(/\n\n+/)) {
    const file = read(stanza, 'Filename');
    if (file === '') continue;
    // The characters that Debian's versions have and URLs give a meaning to.
    const uri = root + file.split('/').map(encodeURIComponent).join('/');
    const fields = FIELDS.flatMap((field) => {
      const value = read(stanza, field);
      return value === '' || field === 'Filename' ? [] : [`${field}: ${value}`];
    });
    stanzas.push([...fields, `URI: ${uri}`].join('\n'));
  }
  return stanzas.length === 0 ? '' : `${stanzas.join('\n\n')}\n\n`;
}

/** Stanzas are read when somebody asks for their package: an archive has tens of thousands, a guest needs a few. */
export class PackageIndex {
  private readonly _stanzas = new Map<string, string>();
  private readonly _packages = new Map<string, Package>();
  private readonly _providers = new Map<string, string[]>();

  /** @param text what `condense` made, of one or several indices; of each package the newest version counts */
  constructor(text: string) {
    for (const stanza of text.split('\n\n')) if (stanza.trim() !== '') this._add(stanza);
  }

  get size(): number {
    return this._stanzas.size;
  }

  /**
   * Names of packages with one of these priorities, and of the essential ones.
   *
   * @param priorities such as 'required'
   */
  ofPriority(...priorities: readonly string[]): string[] {
    const wanted = new RegExp(`^(Priority: (${priorities.join('|')})|Essential: yes)$`, 'm');
    return [...this._stanzas].filter(([, stanza]) => wanted.test(stanza)).map(([name]) => name);
  }

  /** @throws HostError `ARCHIVE_DAMAGED` */
  find(name: string): Package | undefined {
    const real = this._stanzas.has(name) ? name : this._providers.get(name)?.[0];
    const stanza = real === undefined ? undefined : this._stanzas.get(real);
    if (real === undefined || stanza === undefined) return undefined;
    const found = this._packages.get(real) ?? parse(stanza);
    this._packages.set(real, found);
    return found;
  }

  /** @throws HostError `PACKAGE_MISSING`, `ARCHIVE_DAMAGED` */
  get(name: string): Package {
    const found = this.find(name);
    if (found === undefined)
      throw new HostError(
        'PACKAGE_MISSING',
        `the archive has no package '${name}' for i386; name one that does with --mirror URL, or fetch its list again with --refresh`,
      );
    return found;
  }

  /**
   * The packages named and all that they need, in the order in which they are met. Of alternatives the first is taken, unless another
   * is there already.
   *
   * @throws HostError `PACKAGE_MISSING`, `ARCHIVE_DAMAGED`
   */
  closure(names: readonly string[]): Package[] {
    const chosen = new Map<string, Package>();
    const choose = (name: string): void => {
      const found = this.get(name);
      chosen.set(found.name, found);
    };
    const isThere = (name: string): boolean =>
      chosen.has(name) || (this._providers.get(name) ?? []).some((provider) => chosen.has(provider));
    names.forEach(choose);
    // The loop also meets what is chosen while it runs.
    for (const { needs } of chosen.values())
      for (const alternatives of needs) {
        const choice = alternatives.find((each) => this.find(each) !== undefined) ?? alternatives[0];
        if (choice !== undefined && !alternatives.some(isThere)) choose(choice);
      }
    return [...chosen.values()];
  }

  private _add(stanza: string): void {
    const name = read(stanza, 'Package');
    const known = this._stanzas.get(name);
    if (known !== undefined && compareVersions(read(known, 'Version'), read(stanza, 'Version')) >= 0) return;
    this._stanzas.set(name, stanza);
    for (const provided of relations(read(stanza, 'Provides')).flat()) {
      const providers = this._providers.get(provided) ?? [];
      if (!providers.includes(name)) this._providers.set(provided, [...providers, name]);
    }
  }
}

function parse(stanza: string): Package {
  const found: Package = {
    name: read(stanza, 'Package'),
    version: read(stanza, 'Version'),
    architecture: read(stanza, 'Architecture'),
    uri: read(stanza, 'URI'),
    sizeBytes: Number(read(stanza, 'Size')),
    sha256: read(stanza, 'SHA256').toLowerCase(),
    priority: read(stanza, 'Priority'),
    isEssential: read(stanza, 'Essential') === 'yes',
    needs: [...relations(read(stanza, 'Pre-Depends')), ...relations(read(stanza, 'Depends'))],
    provides: relations(read(stanza, 'Provides')).flat(),
  };
  const isSound =
    /^[a-z0-9][a-z0-9+.-]+$/.test(found.name) &&
    /^[A-Za-z0-9.+~:-]+$/.test(found.version) &&
    /^[a-z0-9-]+$/.test(found.architecture) &&
    /^[0-9a-f]{64}$/.test(found.sha256) &&
    Number.isSafeInteger(found.sizeBytes);
  if (!isSound)
    throw new HostError(
      'ARCHIVE_DAMAGED',
      `the archive's package list is damaged at package '${found.name}'; fetch it again with --refresh, or use another --mirror`,
    );
  return found;
}

/** `a (>= 1) | b:any, c` as [[a, b], [c]]. (Debian policy, 7.1) */
function relations(text: string): string[][] {
  const names = (each: string): string[] =>
    each
      .split('|')
      .map((alternative) => /^\s*([a-z0-9][a-z0-9+.-]*)/.exec(alternative)?.[1] ?? '')
      .filter((name) => name !== '');
  return text
    .split(',')
    .map(names)
    .filter((alternatives) => alternatives.length > 0);
}
