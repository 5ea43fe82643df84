/** Translations as the next run finds them: a store made of what another has kept, which goes on by itself. */
import { TranslationStore } from '../../src/translator/translationStore.js';

export function nextRun(store: TranslationStore): TranslationStore {
  const { words, usedWords, names } = store.keep();
  return new TranslationStore({ words: words.slice(), usedWords, names: [...names] });
}
