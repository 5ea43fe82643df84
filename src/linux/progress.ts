/** How this layer tells what it does, without knowing who shows it. Read after: `../cli/progress.ts`. */

/** What work that takes a while gets from whoever asked for it. */
export interface Task {
  /**
   * Called often.
   *
   * @param what a few words, such as `building Linux`
   * @param done share of it that is done, 0 to 1; undefined if that is not known
   * @param detail what is being worked on just now, such as a file, where there are too many for a line each
   */
  readonly progress: (what: string, done?: number, detail?: string) => void;
  /** Says something that the user should know and that stops nothing. */
  readonly warn: (text: string) => void;
  /** Aborted when the user does not want to wait any longer. */
  readonly signal: AbortSignal;
}
