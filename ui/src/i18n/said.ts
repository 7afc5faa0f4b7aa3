import type { ApiError, Saying } from '../ipc/contract';
import { locale, type Locale } from './index.svelte';
import { zhCNErrors } from './zh-CN.errors';

/** What the engine says, by its English template, with the same holes. */
export type Sentences = Readonly<Record<string, string>>;

/** English is the engine's own. `sentences.json` says which templates there are. */
export const sentences: Record<Exclude<Locale, 'en'>, Sentences> = { 'zh-CN': zhCNErrors };

/** Why something failed, in the language of now as far as it has the words. */
export function said({ message, says }: ApiError): string {
  const language = locale();
  if (language === 'en' || !says || !Object.hasOwn(sentences[language], says.template)) return message;
  return inWords(says, sentences[language]);
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
