import { setTimeout as sleep } from 'node:timers/promises';
import type { Scan } from '../../base/documents/generated/scan.js';
import { parseSize } from '../../base/units.js';
import { sortKeys } from '../../flows/scan/arrange.js';
import { isGateHere } from '../../flows/scan/gate-here.js';
import { writeMetrics } from '../../flows/scan/metrics.js';
import { scan } from '../../flows/scan/scan.js';
import { oneOf, parse, positive, usage } from '../args.js';
import { selection, selectionOptions } from '../options/selection.js';
import { printJson } from '../print/json.js';
import { showScan } from '../print/show-scan.js';
import { contextWithProgress, verboseOption } from '../progress/for-command.js';

export async function scanCommand(args: string[]): Promise<number> {
  const { values } = parse('scan', args, {
    ...selectionOptions,
    cgroup: { type: 'string' },
    all: { type: 'boolean' },
    sort: { type: 'string' },
    'min-size': { type: 'string' },
    'kept-by': { type: 'string', multiple: true },
    top: { type: 'string' },
    watch: { type: 'boolean' },
    metrics: { type: 'string' },
    json: { type: 'boolean' },
    ...verboseOption,
  });
  const chosen = selection('scan', values) ?? { all: true };
  const context = contextWithProgress(values);
  const view = {
    ...(values.sort === undefined ? {} : { sort: oneOf('scan', '--sort', values.sort, sortKeys) }),
    ...(values['min-size'] === undefined ? {} : { minAllocated: sizeOf(values['min-size']) }),
    ...(values['kept-by'] === undefined
      ? {}
      : {
          keptBy: values['kept-by'].map(text =>
            oneOf('scan', '--kept-by', text, ['ghostkeep', 'criu', 'no']),
          ),
        }),
    ...(values.top === undefined ? {} : { top: positive('scan', '--top', values.top) }),
  };
  if (values.watch && (values.json || values.metrics !== undefined))
    throw usage('scan', '--watch prints for people, without --json and --metrics');
  if (values.top !== undefined && values.metrics !== undefined)
    throw usage('scan', '--top shortens a list, and --metrics counts all ghosts');
  const asRoot = context.host.uid() === 0;
  const look = () => scan(context, chosen, view);
  const hasGate = isGateHere(context, process.env['CRIU_LIBS_DIR']);
  const show = (result: Scan) =>
    showScan(result, { width: terminalWidth(), asRoot, hasGate, mostContainers: view.top });
  if (values.watch) return watchScan(() => show(look()));
  const result = look();
  if (values.metrics !== undefined) {
    writeMetrics(context, metricsFile(values.metrics), result);
    if (!values.json) return 0;
  }
  if (values.json) printJson(result);
  else process.stdout.write(show(result));
  return 0;
}

const watchEveryMs = 2000;
/** Moves the cursor to the top of the terminal and clears it. Source: console_codes(4) */
const clear = '\x1b[H\x1b[2J';

/** Scans again and again until the user interrupts it, or until nobody reads its output any more. */
async function watchScan(show: () => string): Promise<number> {
  while (process.stdout.writable) {
    const text = show();
    process.stdout.write(process.stdout.isTTY ? `${clear}${text}` : `${text}\n`);
    await sleep(watchEveryMs);
  }
  return 0;
}

function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns : undefined;
}

function metricsFile(file: string): string {
  if (file.endsWith('.prom')) return file;
  throw usage(
    'scan',
    `--metrics is ${JSON.stringify(file)}, and node_exporter only reads names that end in .prom`,
  );
}

function sizeOf(text: string): bigint {
  try {
    return parseSize(text, '--min-size');
  } catch (error) {
    throw usage('scan', (error as Error).message.replace(/^cannot read /, ''));
  }
}
