import type { Command } from '../command.js';

export interface Option {
  /** `--sort`, `-D` */
  name: string;
  /**
   * The words that the option accepts, a name for its value (`DIR`, `N`), or undefined if it has no value.
   */
  value?: string | string[];
}

/** The options that `--tls …` in a usage stands for. Only the usage of send-images has them in full. */
const secretly = '--tls --tls-cacert FILE --tls-cert FILE --tls-key FILE --tls-no-cn-verify --insecure';

/** The options that a command's usage names, each once. */
export function optionsOf({ usage }: Command): Option[] {
  const [own = ''] = usage.replace('--tls …', secretly).split(' -- ');
  const found = own.matchAll(/(?<![\w-])(--[a-z][a-z-]*|-[A-Z])(?: ([A-Z][A-Z0-9]*|[a-z]+(?:\|[a-z]+)+))?/g);
  const options = new Map<string, Option>();
  for (const [, name = '', value] of found)
    options.set(name, { name, ...(value ? { value: value.includes('|') ? value.split('|') : value } : {}) });
  return [...options.values()];
}

/** The words that may follow the command itself, as in `completion bash|zsh|fish`. */
export function wordsOf({ usage }: Command): string[] {
  const [, words] = /^\S+ ([a-z]+(?:\|[a-zA-Z]+)+)/.exec(usage) ?? [];
  return words?.split('|') ?? [];
}

export const isFile = (value: Option['value']) => value === 'FILE';
export const isFolder = (value: Option['value']) => typeof value === 'string' && /^DIR[0-9]?$/.test(value);
