/** A scan as metrics, in the text format that node_exporter's textfile collector reads. */
import type { Scan } from '../../base/documents/generated/scan.js';
import { translate } from '../../base/errors.js';
import { countFromJson } from '../../base/units.js';
import type { Context } from '../context.js';

/**
 * Writes FILE anew. A reader sees the old file or the new one, and any user may read it, because
 * node_exporter runs as a user of its own.
 */
export function writeMetrics({ host: { files } }: Context, file: string, scan: Scan): void {
  try {
    files.replace(file, Buffer.from(metricsOf(scan)), { durable: false, mode: 0o644 });
  } catch (error) {
    throw translate(error, 'IO', file, `cannot write metrics to ${file}`);
  }
}

type Labels = Record<string, string>;
type Sample = [labels: Labels, value: number | bigint];

/** Source: prometheus.io/docs/instrumenting/exposition_formats, Text-based format */
export function metricsOf({ ghosts, unseen, containers = [] }: Scan): string {
  const keepers = (['ghostkeep', 'criu', 'no'] as const).map(keep => ({
    labels: { kept_by: keep },
    kept: ghosts.filter(ghost => ghost.keep === keep),
  }));
  const inContainers = containers.map(({ id, name = '', ...total }) => ({ labels: { id, name }, total }));
  const unseenPids = new Set(unseen.map(({ pid }) => pid));
  return [
    metric(
      'ghosts',
      'Files without a name that a process holds.',
      keepers.map(({ labels, kept }): Sample => [labels, kept.length]),
    ),
    metric(
      'ghost_allocated_bytes',
      'Bytes on disk or in memory that these files take.',
      keepers.map(
        ({ labels, kept }): Sample => [
          labels,
          kept.reduce((sum, { allocated }) => sum + countFromJson(allocated), 0n),
        ],
      ),
    ),
    metric(
      'container_ghosts',
      'Files without a name that a process of this container holds.',
      inContainers.map(({ labels, total }): Sample => [labels, total.ghosts]),
    ),
    metric(
      'container_ghost_allocated_bytes',
      'Bytes that these files take. A file that two containers hold counts in both.',
      inContainers.map(({ labels, total }): Sample => [labels, countFromJson(total.allocated)]),
    ),
    metric('unseen_processes', 'Processes of which some part could not be looked at.', [
      [{}, unseenPids.size],
    ]),
  ].join('');
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  const head = `# HELP ghostkeep_${name} ${help}\n# TYPE ghostkeep_${name} gauge\n`;
  return (
    head + samples.map(([labels, value]) => `ghostkeep_${name}${showLabels(labels)} ${value}\n`).join('')
  );
}

function showLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escapeLabel = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
