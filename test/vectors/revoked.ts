/**
 * Recorded cases that proved bad: by hash (`Recorded.hash`), each with the reason. A revoked case must still disagree, or the revocation has
 * to go. Read before: `codec.ts`.
 */
export const revoked: ReadonlyMap<string, string> = new Map<string, string>([]);
