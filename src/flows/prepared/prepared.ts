/**
 * A dump prepares much for many small ghosts before the freeze: their entries in the journal, the texts of
 * these, and the names that sealing gives. Everything is asked again when all is frozen, and where
 * every answer about a ghost is the same as before, its entry is used as it is (decision 0008). The bytes of
 * the ghost are compared with its image as always.
 */
import type { ManifestGhost } from '../../base/documents/generated/manifest.js';
import type { EngineReport, FileStat, Memory } from '../../base/host/host.js';
import type { IdMaps } from '../../base/id-map.js';
import type { ExternalGhost } from '../../criu/seal-plan.js';
import type { Found } from '../../ghost/find/find.js';
import type { Ghost } from '../../ghost/ghost.js';
import type { PinnedGhost } from '../choose/pin.js';
import type { Context } from '../context.js';
import { beginSearch } from '../steps.js';
import type { SearchedBefore } from './search-again.js';

/** All that is known of a ghost if its entry is the prepared one. */
export interface Facts {
  /** Stat of the pin: the same object says that no attribute has changed (ProcessView.pinAll). */
  stat: FileStat;
  /** The first bytes of its image. */
  header: Buffer;
  /**
   * The report of a copy over its warm image, which the dump gets again if nothing changes. The entry has its
   * figures.
   */
  report: EngineReport;
  /** The entry if CRIU has dumped no ghost itself, so that our ids begin with 1. */
  sealed: ManifestGhost;
  external: ExternalGhost;
}

/** By the entry in the journal. */
const facts = new WeakMap<ManifestGhost, Facts>();
const externals = new WeakMap<ManifestGhost, ExternalGhost>();

/** @returns undefined where the entry is not a prepared one */
export const factsOf = (entry: ManifestGhost): Facts | undefined => facts.get(entry);
/** @param sealed an entry with its final id */
export const externalOf = (sealed: ManifestGhost): ExternalGhost | undefined => externals.get(sealed);

export class Prepared {
  readonly #entries = new Map<Ghost, ManifestGhost>();

  constructor(
    /** The answers of the host from before the freeze. */
    readonly memory: Memory,
    private readonly searched: SearchedBefore,
    private readonly idMaps: IdMaps,
  ) {}

  get count(): number {
    return this.#entries.size;
  }

  add(ghost: Ghost, entry: ManifestGhost, known: Facts): void {
    this.#entries.set(ghost, entry);
    facts.set(entry, known);
    externals.set(known.sealed, known.external);
  }

  search(context: Context, pids: readonly number[]): Found {
    return this.searched.again(context.host.processes, pids, beginSearch(context, pids));
  }

  /** @returns undefined where anything in the entry may differ from what was prepared */
  entryOf(
    { ghost, stat }: PinnedGhost,
    id: number,
    image: string,
    idMaps: IdMaps,
  ): ManifestGhost | undefined {
    const entry = this.#entries.get(ghost);
    if (entry === undefined || facts.get(entry)?.stat !== stat) return undefined;
    const { uid, gid } = this.idMaps;
    const isSame = entry.id === id && entry.image === image && idMaps.uid === uid && idMaps.gid === gid;
    return isSame ? entry : undefined;
  }
}
