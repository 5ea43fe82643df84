/**
 * The order of Debian's version numbers. Separate because it is a fact about Debian that nothing else here needs to know the inside of.
 * Read after: `packageIndex.ts`.
 */

/** Letters sort before all other characters, and `~` before everything, the end included. (deb-version(7), "Sorting algorithm") */
function weight(character: string | undefined): number {
  if (character === undefined || /\d/.test(character)) return 0;
  if (character === '~') return -1;
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 0x100;
}

function compareParts(left: string, right: string): number {
  const [leftParts, rightParts] = [runsOf(left), runsOf(right)];
  const runs = Math.max(leftParts.length, rightParts.length);
  for (let index = 0; index < runs; index++) {
    const [one = '', other = ''] = [leftParts[index], rightParts[index]];
    const order = index % 2 === 1 ? Number(one || 0) - Number(other || 0) : compareText(one, other);
    if (order !== 0) return order;
  }
  return 0;
}

/** Runs of digits and of other characters take turns; the first run is of others, be it empty. */
function runsOf(text: string): string[] {
  const runs: string[] = text.match(/\d+|\D+/g) ?? [];
  return /^\d/.test(text) ? ['', ...runs] : runs;
}

function compareText(left: string, right: string): number {
  const length = Math.max(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const order = weight(left[index]) - weight(right[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function split(version: string): [epoch: number, upstream: string, revision: string] {
  const [, epoch = '0', rest = ''] = /^(?:(\d+):)?(.*)$/.exec(version) ?? [];
  const dash = rest.lastIndexOf('-');
  return dash < 0 ? [Number(epoch), rest, ''] : [Number(epoch), rest.slice(0, dash), rest.slice(dash + 1)];
}

/** @returns below 0, 0 or above 0 as `left` is older than, equal to or newer than `right`. (deb-version(7)) */
export function compareVersions(left: string, right: string): number {
  const [leftEpoch, leftUpstream, leftRevision] = split(left);
  const [rightEpoch, rightUpstream, rightRevision] = split(right);
  return (
    leftEpoch - rightEpoch || compareParts(leftUpstream, rightUpstream) || compareParts(leftRevision, rightRevision)
  );
}
