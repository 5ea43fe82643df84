/**
 * The errors of the project: who erred decides the class, `code` says what, the message says what and what to do.
 *
 * They stand apart from every layer because every layer throws them. A guest's own mistakes, as the SDM defines them, are not here:
 * they are exceptions of the guest (`x86/vectors.ts`) and never reach the caller. Read after: `options.ts`.
 */

/** Base of everything this project throws at its caller. `code` is stable and meant for programs, the message for people. */
export class RomulusError extends Error {
  constructor(
    /** Upper-case words joined by underscores, such as `KERNEL_TRUNCATED`. */
    readonly code: string,
    /** One sentence: what is wrong and what to do about it. */
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The caller asked for something that cannot be: a bad option, a file that is no kernel. Thrown before any state changes. */
export class ConfigError extends RomulusError {}

/** The host refused or lacks something: a file that cannot be read, a system call that failed. */
export class HostError extends RomulusError {}

/** The guest broke the boot or ROM contract, so that its machine ended. */
export class GuestKilled extends RomulusError {
  constructor(reason: string, options?: ErrorOptions) {
    super('GUEST_KILLED', reason, options);
  }
}
