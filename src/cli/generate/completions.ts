/** Completions for shells, made from the table of commands. */
import type { Command } from '../command.js';
import { isFile, isFolder, type Option, optionsOf, wordsOf } from './options-of.js';

type Table = Record<string, Command>;

/** The commands that people type: those with an example. */
const typed = (table: Table) => Object.entries(table).filter(([, { example }]) => example);

const namesOf = (table: Table) => [...typed(table).map(([name]) => name), 'help'].join(' ');

/** Source: bash(1), Programmable Completion */
export function bashCompletion(table: Table): string {
  const names = namesOf(table);
  const values = typed(table).flatMap(([name, command]) =>
    optionsOf(command).map(option => bashValue(name, option)),
  );
  const words = typed(table).map(
    ([name, command]) =>
      `  ${name}) words='${[...optionsOf(command).map(option => option.name), ...wordsOf(command), '--help'].join(' ')}' ;;\n`,
  );
  return `# Made by \`ghostkeep completion bash\`.
_ghostkeep() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W '${names}' -- "$current")
    return
  fi
  case "\${COMP_WORDS[1]} $before" in
${values.join('')}  esac
  case \${COMP_WORDS[1]} in
${words.join('')}  help) words='${names}' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [ "\${#COMPREPLY[@]}" -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -o filenames -F _ghostkeep ghostkeep
`;
}

function bashValue(command: string, { name, value }: Option): string {
  if (value === undefined) return '';
  const how = Array.isArray(value)
    ? `-W '${value.join(' ')}'`
    : isFolder(value)
      ? '-d'
      : isFile(value)
        ? '-f'
        : '';
  const action = how === '' ? 'return' : `mapfile -t COMPREPLY < <(compgen ${how} -- "$current"); return`;
  return `  '${command} ${name}') ${action} ;;\n`;
}

/** Source: zshcompsys(1), _arguments and _describe */
export function zshCompletion(table: Table): string {
  const described = typed(table).map(([name, { summary }]) => `    '${name}:${zshText(summary)}'\n`);
  const cases = typed(table).map(([name, command]) => {
    const options = optionsOf(command).map(option => `'*${option.name}${zshValue(option)}'`);
    const words = wordsOf(command);
    const rest = words.length > 0 ? `'1:word:(${words.join(' ')})'` : "'*:file:_files'";
    return `  ${name}) _arguments ${[...options, '--help', rest].join(' ')} ;;\n`;
  });
  return `#compdef ghostkeep
# Made by \`ghostkeep completion zsh\`.
_ghostkeep() {
  local -a described=(
${described.join('')}  )
  if (( CURRENT == 2 )); then
    _describe command described
    return
  fi
  shift words
  (( CURRENT-- ))
  case $words[1] in
${cases.join('')}  esac
}
_ghostkeep "$@"
`;
}

const zshText = (text: string) => text.replaceAll(/[':\\]/g, ' ');

function zshValue({ value }: Option): string {
  if (value === undefined) return '';
  const action = Array.isArray(value)
    ? `(${value.join(' ')})`
    : isFolder(value)
      ? '_files -/'
      : isFile(value)
        ? '_files'
        : '';
  return `:${Array.isArray(value) ? 'word' : value}:${action}`;
}

/** Source: complete(1) of fish */
export function fishCompletion(table: Table): string {
  const lines = typed(table).flatMap(([name, command]) => [
    `complete -c ghostkeep -n __fish_use_subcommand -f -a ${name} -d '${fishText(command.summary)}'`,
    ...optionsOf(command).map(
      option => `complete -c ghostkeep -n '__fish_seen_subcommand_from ${name}' ${fishOption(option)}`,
    ),
    ...wordsOf(command).map(
      word => `complete -c ghostkeep -n '__fish_seen_subcommand_from ${name}' -f -a ${word}`,
    ),
  ]);
  return `# Made by \`ghostkeep completion fish\`.\n${lines.join('\n')}\n`;
}

const fishText = (text: string) => text.replaceAll(/['\\]/g, '\\$&');

function fishOption({ name, value }: Option): string {
  const option = name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
  if (value === undefined) return option;
  if (Array.isArray(value)) return `${option} -x -a '${value.join(' ')}'`;
  return `${option} -r${isFolder(value) ? " -a '(__fish_complete_directories)'" : ''}`;
}
