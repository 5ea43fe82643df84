import assert from 'node:assert/strict';
import { Latencies, LATENCIES_BYTES, mergeSummaries } from '../../../src/irq/latency.js';
import { VirtualMachine } from '../../helpers/board.js';

describe('irq/latency', () => {
  const make = (): Latencies => new Latencies(new SharedArrayBuffer(LATENCIES_BYTES));

  it('has no summary before the first value', () => {
    assert.equal(make().summary(3), undefined);
  });

  it('keeps the extremes exactly and percentiles to 3 %', () => {
    const latencies = make();
    for (let ns = 1; ns <= 100_000; ns++) latencies.add(5, ns);
    const summary = latencies.summary(5)!;
    assert.deepEqual([summary.count, summary.minNs, summary.maxNs], [100_000, 1, 100_000]);
    const near = (found: number, wanted: number): void =>
      assert.ok(Math.abs(found - wanted) <= 0.032 * wanted, `${found} instead of ${wanted}`);
    near(summary.p50Ns, 50_000);
    near(summary.p90Ns, 90_000);
    near(summary.p99Ns, 99_000);
    near(summary.p999Ns, 99_900);
    assert.equal(latencies.summary(4), undefined, 'lines are apart');
  });

  it('puts each value into the bucket that holds it, up to 4 s', () => {
    for (const ns of [0, 1, 31, 32, 33, 63, 64, 1000, 65_535, 1_000_000, 4_294_967_295]) {
      const latencies = make();
      latencies.add(1, ns);
      const [bucket, ...others] = latencies.summary(1)!.buckets;
      assert.equal(others.length, 0);
      assert.ok(bucket.fromNs <= ns && ns < bucket.toNs, `${ns} in ${bucket.fromNs}..${bucket.toNs}`);
    }
    const latencies = make();
    latencies.add(1, 1e12);
    latencies.add(1, -5);
    assert.deepEqual([latencies.summary(1)!.minNs, latencies.summary(1)!.maxNs], [0, 0xffff_ffff]);
  });

  it('forgets one line', () => {
    const latencies = make();
    latencies.add(1, 10);
    latencies.add(2, 20);
    latencies.clear(1);
    assert.equal(latencies.summary(1), undefined);
    assert.equal(latencies.summary(2)!.count, 1);
  });

  it('merges runs', () => {
    const [first, second] = [make(), make()];
    for (const ns of [10, 20, 1000]) first.add(1, ns);
    for (const ns of [5, 20]) second.add(1, ns);
    const merged = mergeSummaries([first.summary(1)!, second.summary(1)!])!;
    assert.deepEqual([merged.count, merged.minNs, merged.maxNs], [5, 5, 1000]);
    assert.deepEqual(merged.buckets.map(({ fromNs, count }) => [fromNs, count]).slice(0, 3), [
      [5, 1],
      [10, 1],
      [20, 2],
    ]);
    assert.equal(mergeSummaries([]), undefined);
  });

  it('is filled by deliveries: in virtual time a tick to a waiting guest costs nothing', () => {
    const machine = new VirtualMachine({ append: 'quiet run="sleep 50; echo done"', latencies: true });
    machine.expect('done');
    const summary = machine.board.latencies!.summary(0)!;
    assert.ok(summary.count >= 1);
    assert.equal(summary.minNs, 0);
  });
});
