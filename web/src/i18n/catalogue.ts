/**
 * The typed catalogue: `t(key, vars)` knows from the English text which variables a sentence takes.
 * Numbers are printed in the reader's locale, and a message with `one` and `other` chooses by `n`.
 */
import type { en } from './en';

export type Plural = { readonly one: string; readonly other: string };
export type Message = string | Plural;
export type Key = keyof typeof en;
export type Catalogue = Readonly<Record<Key, Message>>;

type Names<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never;
type NamesOf<M> = M extends string ? Names<M> : M extends Plural ? Names<M['other']> | 'n' : never;
type VarsOf<K extends Key> = Record<NamesOf<(typeof en)[K]>, string | number>;

/** No second argument where the sentence takes no variables, a complete one where it does. */
export type Vars<K extends Key> = [NamesOf<(typeof en)[K]>] extends [never] ? [] : [vars: VarsOf<K>];
export type Translate = <K extends Key>(key: K, ...vars: Vars<K>) => string;

export function makeTranslate(catalogue: Catalogue, locale: string): Translate {
  const plural = new Intl.PluralRules(locale);
  const number = new Intl.NumberFormat(locale);
  return (key, ...rest) => {
    const vars: Record<string, string | number> = rest[0] ?? {};
    const message = catalogue[key];
    const text =
      typeof message === 'string'
        ? message
        : plural.select(Number(vars.n)) === 'one'
          ? message.one
          : message.other;
    return text.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = vars[name];
      return typeof value === 'number' ? number.format(value) : (value ?? '');
    });
  };
}

/** The English catalogue with accents and a third more length: shows what is not translated or too tight. */
export function pseudo(catalogue: Catalogue): Catalogue {
  const entries = Object.entries(catalogue).map(([key, message]) => [
    key,
    typeof message === 'string'
      ? stretch(message)
      : { one: stretch(message.one), other: stretch(message.other) },
  ]);
  return Object.fromEntries(entries) as Catalogue;
}

const ACCENTS: Record<string, string> = {
  a: 'á',
  e: 'é',
  i: 'í',
  o: 'ó',
  u: 'ú',
  A: 'Á',
  E: 'É',
  O: 'Ó',
  y: 'ý',
  n: 'ñ',
};

function stretch(text: string): string {
  const words = text
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith('{') ? part : part.replace(/[aeiouAEOyn]/g, (c) => ACCENTS[c] ?? c)));
  return `${words.join('')}${'~'.repeat(Math.ceil(text.length / 3))}`;
}
