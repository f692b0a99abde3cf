import { LRUCache } from 'lru-cache';
import { readsOnly } from './read-only.js';
import { leavesNoTrace } from './session-effects.js';

/** What the words of a statement tell of it. */
export interface Effects {
  /** See {@link readsOnly}. */
  readonly onlyReads: boolean;
  /** See {@link leavesNoTrace}. */
  readonly leavesNoTrace: boolean;
}

/** Flows send the same few texts again and again; the length of all that are kept is bounded. */
const remembered = new LRUCache<string, Effects>({
  max: 1_000,
  maxSize: 1_000_000,
  sizeCalculation: (_, text) => text.length + 1,
});

/** The effects of `text`, looked at once while it stays in use. */
export function effectsOf(text: string): Effects {
  const known = remembered.get(text);
  if (known) return known;
  const effects = { onlyReads: readsOnly(text), leavesNoTrace: leavesNoTrace(text) };
  remembered.set(text, effects);
  return effects;
}
