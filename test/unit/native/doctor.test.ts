import assert from 'node:assert/strict';
import { doctor, formatDoctor } from '../../../src/cli/doctor.js';

describe('doctor', () => {
  const report = doctor();

  it('looks at everything that an engine needs', () => {
    const ids = report.findings.map((finding) => finding.id);
    for (const id of [
      'host',
      'node',
      'cores',
      'addon',
      'memfd',
      'timer',
      'executable',
      'sigpending',
      'fsgsbase',
      'gcc32',
    ]) {
      assert.ok(ids.includes(id), id);
    }
    assert.equal(report.findings.find((finding) => finding.id === 'addon')!.status, 'ok');
    assert.equal(report.runs.native, true);
  });

  it('says what to do about whatever is missing', () => {
    for (const finding of report.findings)
      if (finding.status === 'missing') assert.notEqual(finding.advice, '', finding.id);
  });

  it('gives one line a finding and one sentence of what runs', () => {
    const lines = formatDoctor(report).trimEnd().split('\n');
    assert.equal(lines.length, report.findings.length + 2);
    assert.equal(lines.at(-1), report.runs.summary);
  });

  it('survives as JSON', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });
});
