import { required, usage } from '../args.js';

/** Commands about one image directory take it as `-D DIR`, as in CRIU, and as their only argument. */
export const imagesDirOption = { 'images-dir': { type: 'string', short: 'D' } } as const;

export function imagesDir(
  command: string,
  { values, positionals }: { values: { 'images-dir'?: string | undefined }; positionals: readonly string[] },
): string {
  const given = values['images-dir'];
  const [argument, ...more] = positionals;
  if (more.length > 0 || (given !== undefined && argument !== undefined))
    throw usage(command, 'it takes one directory');
  if (given === undefined && argument === undefined) throw usage(command, 'DIR is missing');
  return required(command, 'DIR', given ?? argument);
}
