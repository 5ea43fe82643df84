/** What the translator counts, as the report of a machine shows it. Read before: `engine.ts`. */

export interface TranslatorStatistics {
  readonly fragments: number;
  /** Of these, those that an earlier run had made. */
  readonly fragmentsKept: number;
  /** Guest instructions translated, and the bytes of host code they became. */
  readonly instructions: number;
  readonly hostBytes: number;
  /** Milliseconds spent translating. */
  readonly translationMs: number;
  /** Milliseconds that the longest translation took, during which the guest stood still. */
  readonly longestPauseMs: number;
  /** Times translated code was entered, and exits by reason. */
  readonly enters: number;
  readonly exits: Readonly<Record<string, number>>;
  /** Instructions run by the interpreter, by mnemonic or by the mode they were met in. */
  readonly interpreted: readonly { readonly what: string; readonly count: number }[];
  /** Instructions that native/shortcut.cc ran in the interpreter's place. */
  readonly shortcuts: number;
  /** Page faults that native/reflect.cc handed to the guest's handler; `exits.fault` has the others. */
  readonly reflections: number;
  /** Faults that mapped pages into windows. */
  readonly windowFaults: number;
  /** Faults after which the GS base had to be set again, as the host had switched threads. */
  readonly windowsLost: number;
  readonly windowSwitches: number;
  readonly windowChecks: number;
  readonly windowEvictions: number;
  readonly windowsCleared: number;
  readonly pagesDropped: number;
  readonly buffersFilled: number;
  /** Times everything was dropped because there was too much of it, though the buffer had room. */
  readonly limitsReached: number;
}
