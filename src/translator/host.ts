/**
 * What the translator needs of the host: a code buffer that can be executed, windows on the guest's linear memory, and a way in. The
 * addon provides it (`../native.ts`, native/translator.h says what the words mean); the engine knows only this.
 * Read before: `stubs.ts`. Read after: `windows.ts`, `codeCache.ts`.
 */

/** Windows that a vCPU can have at a time. */
export const WINDOW_COUNT = 16;

export interface TranslatorUsage {
  /** Upper bound of the host mappings in use, and what this host allows. */
  readonly mappings: number;
  readonly maxMappings: number;
  /** Guest pages in windows, and pages with entries in jump tables, over all windows. */
  readonly pages: number;
  readonly codePages: number;
}

export interface TranslatorHost {
  /** The code buffer, to write; stubs stand at its start. */
  readonly code: Uint8Array;
  /** The words of the side table (`sideTable.ts`), to write. */
  readonly side: Int32Array;
  /** Runs translated code at `Word.XlateEntry` in the selected window until an exit (`Word.XlateExit`). */
  readonly enter: () => void;
  /**
   * Makes a window the current one.
   * @param twin the window of the same address space at the other privilege if there is nothing stale in it, else -1
   */
  select(window: number, twin: number): void;
  /**
   * Drops every page of a window whose translation is not what the page tables say now. CR3 must be the window's, or that of the address space
   * that becomes its.
   * @param sparesGlobal pages of global entries need not be looked at
   */
  revalidate(window: number, user: boolean, sparesGlobal: boolean): void;
  /** The same for the page of one address, in all windows: at once in the current one, before they are next selected in the others. */
  invalidatePage(linear: number): void;
  /** Empties a window and its jump table. */
  clear(window: number): void;
  /** Drops all pages of all windows, not their jump tables. */
  clearAll(): void;
  /** Takes the write permission from a physical page in all windows. */
  protect(frame: number): void;
  /** Forgets the jump-table entries of a physical page, or all. */
  dropCode(frame: number): void;
  dropAllCode(): void;
  usage(): TranslatorUsage;
  /** Gives everything back; `enter` does nothing from then on. */
  dispose(): void;
}
