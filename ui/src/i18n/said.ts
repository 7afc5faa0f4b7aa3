import type { ApiError, Saying, Sentence } from '../ipc/contract';
import { enErrors } from './en.errors';
import { locale, type Locale } from './index.svelte';
import { zhCNErrors } from './zh-CN.errors';

/** What the engine says, by its English template, with the same holes. */
export type Sentences = Readonly<Record<string, string>>;

/** English is the engine's own, but for what names commands. `sentences.json` says which templates there are. */
export const sentences: Record<Locale, Sentences> = { en: enErrors, 'zh-CN': zhCNErrors };

/** Why something failed, in the language of now as far as it has the words. */
export function said({ message, says }: ApiError | Sentence): string {
  const words = sentences[locale()];
  if (!says || !(locale() === 'en' ? rewords(says, words) : Object.hasOwn(words, says.template))) return message;
  return inWords(says, words);
}

/** What stands in a hole of an error, as an error of its own; nothing where there is no sentence in it. */
export function inner({ code, says }: ApiError, hole: string): ApiError | undefined {
  const filling = says?.with[hole];
  if (filling === undefined || typeof filling === 'string') return undefined;
  return { code, message: inWords(filling, {}), says: filling };
}

/** Whether the window has words of its own for it, or for what stands in it. */
function rewords({ template, with: fillings }: Saying, words: Sentences): boolean {
  return Object.hasOwn(words, template) || Object.values(fillings).some((filling) => typeof filling !== 'string' && filling !== undefined && rewords(filling, words));
}

/** A newer engine may put something into a hole that has no words here: that stays English. */
function inWords({ template, with: fillings }: Saying, words: Sentences): string {
  const sentence = Object.hasOwn(words, template) ? words[template]! : template;
  return sentence.replace(/\{(\w+)\}/g, (hole, name: string) => {
    const filling = fillings[name];
    if (filling === undefined) return hole;
    return typeof filling === 'string' ? filling : inWords(filling, words);
  });
}
