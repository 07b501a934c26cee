// Words, numbers, money and times for people, in English and Chinese. The language is the reader's choice, else the
// browser's. Every text has a key in `en.ts`; `zh.ts` must have the same keys, which the compiler checks.
import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import { en } from './en';
import { zh } from './zh';

export type Language = 'en' | 'zh';
export type Key = keyof typeof en;
export type Words = Record<string, string | number>;

const dictionaries: Record<Language, Record<Key, string>> = { en, zh };

export const preferred = (languages: readonly string[]): Language => {
  const first = languages.find((language) => /^(en|zh)\b/i.test(language));
  return first?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
};

interface Choice {
  language: Language;
  choose: (language: Language) => void;
}

export const useLanguage = create<Choice>()(
  persist((set) => ({ language: preferred(navigator.languages), choose: (language) => set({ language }) }), {
    name: 'doos.language',
  }),
);

/** `{name}` in a text is replaced by the word of that name. A text about one thing has a key of its own, `KEY_one`. */
export function translate(language: Language, key: Key, words?: Words): string {
  const one = `${key}_one`;
  const text = dictionaries[language][String(words?.['count']) === '1' && isKey(one) ? one : key];
  return words ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(words[name] ?? whole)) : text;
}

export const isKey = (key: string): key is Key => key in en;

export type Translate = (key: Key, words?: Words) => string;

/** One function for each language, the same for ever, so that it can stand among an effect's dependencies. */
const translators: Record<Language, Translate> = {
  en: (key, words) => translate('en', key, words),
  zh: (key, words) => translate('zh', key, words),
};

export function useText(): { t: Translate; language: Language } {
  const language = useLanguage((choice) => choice.language);
  return { t: translators[language], language };
}
