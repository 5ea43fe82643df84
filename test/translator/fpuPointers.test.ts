/**
 * What the FPU says of the last instruction, after translated code: where the guest was, and never where the host's code lies. Read before:
 * `rig.ts`, native/fpuPointers.cc.
 */
import assert from 'node:assert/strict';
import { both, CODE, d, type Machine } from './rig.js';

const HLT = 0xf4;
const CONTROL = 0x20000;
const ZERO = 0x20010;
const IMAGE = 0x20100;
/** x87 exceptions but division by zero masked. */
const ZERO_DIVIDE_OPEN = 0x37b;

/** Offsets in the FXSAVE image. (SDM 1, "FXSAVE Area") */
const FIP = 8;
const FCS = 12;
const FDP = 16;

const prepare = ({ phys }: Machine): void => {
  phys.write16(CONTROL, ZERO_DIVIDE_OPEN);
  phys.write32(ZERO, 0);
};

/** fninit; fldcw [CONTROL]; mov ebx, ZERO */
const START = [0xdb, 0xe3, 0xd9, 0x2d, ...d(CONTROL), 0xbb, ...d(ZERO)];

describe('translator: pointers of the FPU', () => {
  it('are the guest’s where an exception is pending', () => {
    // fld1; fdiv dword [ebx]; fxsave [IMAGE]; hlt
    const divide = START.length + 2;
    both([...START, 0xd9, 0xe8, 0xd8, 0x33, 0x0f, 0xae, 0x05, ...d(IMAGE), HLT], { prepare }, ({ translated }) => {
      const { phys } = translated;
      assert.equal(phys.read32(IMAGE + FIP), CODE + divide);
      assert.equal(phys.read16(IMAGE + FCS), 0x08);
      assert.equal(phys.read32(IMAGE + FDP), ZERO);
    });
  });
});
