/** The work of the CRIU plugin's helper. native/gate/PROTOCOL.md says who calls when. */

import { bounds } from '../../base/bounds.js';
import type { Manifest } from '../../base/documents/generated/manifest.js';
import { fieldsOf, GhostkeepError, reasonOf } from '../../base/errors.js';
import { lostNames } from '../../criu/files-image.js';
import { clearImages } from '../../image/clear-images.js';
import { isOfThisCheckpoint } from '../../image/inventory.js';
import { showSummary } from '../../image/summary.js';
import type { Policy, PolicyDocument } from '../../oci/policy.js';
import { basesIn, findBases } from '../bases/bases.js';
import { assertMayReplace } from '../chain/children.js';
import { assertNothingOnShm } from '../choose/closed-on-shm.js';
import { policyOf, readConfig, wishOfOption } from '../container/policy.js';
import { rememberImages, type Session } from '../container/sessions.js';
import type { Context } from '../context.js';
import { removeLeftovers, removeWarmImages } from '../directory/leftovers.js';
import {
  noteEarlierGhosts,
  noteOlderImages,
  type OlderImages,
  setAsideOlderImages,
} from '../directory/other-images.js';
import { becomeOwner, familyOf, type Owned } from '../directory/owner.js';
import { whyUnsealable } from '../directory/unsealable.js';
import { imageMode } from '../dump/copy-one.js';
import { toKeyPath } from '../dump/describe.js';
import { dumpGhosts } from '../dump/dump.js';
import { hasOurs, keysOfJournal } from '../dump/journal.js';
import { WarmImages } from '../dump/warm-images.js';
import { sealImages } from '../seal/seal.js';
import type { GateMove } from './gate-move.js';
import { warmUp } from './warm-pass.js';
import { warnOfGoneSources } from './warn-of-gone-sources.js';

/** One dump by CRIU, from before the freeze to the last image. */
export class GateDump {
  readonly #covered = new Set<number>();
  #started = false;
  #leftToCriu = false;
  #session: Session | undefined;
  #options: PolicyDocument = {};
  #journal: Manifest | undefined;
  #warm: WarmImages | undefined;
  #older: OlderImages = new Map();
  #earlier: readonly number[] = [];
  #family: readonly number[];
  #owned: Owned | undefined;
  #move: GateMove | undefined;

  constructor(
    private readonly context: Context,
    private readonly images: string,
  ) {
    this.#family = [context.host.processes.self()];
  }

  /**
   * Takes the directory, before anything else and while the container runs. Its owner may be about to end:
   * the helper of a killed CRIU cleans up first.
   * @param criu the CRIU that started us; a `ghostkeep checkpoint` may have started that CRIU and wait for it
   * @throws IN_USE, and HAS_CHILDREN before CRIU has written anything
   */
  async begin(criu: number): Promise<void> {
    const { processes } = this.context.host;
    this.#family = [processes.self(), ...familyOf(processes, criu)];
    await this.#own();
    try {
      assertMayReplace(this.context, this.images);
      await this.#readTarget();
    } catch (error) {
      this.letGo();
      throw error;
    }
    this.#older = noteOlderImages(this.context, this.images);
    this.#earlier = noteEarlierGhosts(this.context, this.images);
  }

  /** Loads modules only on hosts that send ghosts: every checkpoint waits for the helper's start. */
  async #readTarget(): Promise<void> {
    const { moveTo, ...config } = readConfig(this.context);
    if (moveTo === undefined) return;
    const { GateMove } = await import('./gate-move.js');
    this.#move = new GateMove(this.context, moveTo, config);
  }

  /** With `begins`, becomeOwner reads the journal, which takes long where there are many ghosts. */
  async #own({ waitMs = 5000, begins = true } = {}): Promise<void> {
    if (this.#owned) return;
    const options = { family: this.#family, waitMs, begins };
    this.#owned = await becomeOwner(this.context, this.images, options);
  }

  /**
   * Releases the directory. While CRIU writes, our journal keeps other dumps out of it, but a receiver may
   * seal there.
   */
  letGo(): void {
    this.#owned?.letGo();
    this.#owned = undefined;
  }

  /**
   * CRIU was given the plugin option ghostkeep.KEY=VALUE. If a key is given several times, the last value
   * applies.
   * @param option KEY=VALUE
   * @throws BAD_POLICY
   */
  accept(option: string): void {
    this.#options = { ...this.#options, ...wishOfOption(this.context, option) };
  }

  /**
   * Rehearses the dump and runs the warm pass before anything is frozen; PID is the root of the processes to
   * dump. If the container is frozen already (`runc pause`), both would only make it wait longer. Errors are
   * only logged: checkpoint() reports them.
   */
  async warm(pid: number, rehearse = async () => {}): Promise<void> {
    const { host, log } = this.context;
    try {
      const pids = host.processes.tree(pid);
      const { policy } = policyOf(this.context, pids[0] ?? pid, this.#options);
      if (!policy.enabled || host.processes.isPaused(pid)) return;
      await rehearse();
      warnOfGoneSources(this.context, pids[0] ?? pid);
      if (this.#move) await this.#move.round(pids, policy);
      else if (policy.warm && !this.#whyLeftToCriu())
        await warmUp(this.context, {
          images: this.images,
          pids,
          policy,
          criu: true,
          warm: this.#warmFor(pids, policy),
        });
    } catch (error) {
      log.info(`no warm pass: ${reasonOf(error)}`);
    }
  }

  /** Images from before the freeze: those of the warm pass, and the bases of rounds. */
  #warmFor(pids: readonly number[], { reserve }: Policy): WarmImages {
    const { host, log } = this.context;
    this.#warm ??= new WarmImages(
      host.files,
      this.images,
      log,
      findBases(this.context, this.images, pids, { mode: imageMode({ criu: true }), reserve }),
    );
    return this.#warm;
  }

  /**
   * All processes are frozen; PID is one of them.
   * @returns the keys of the ghosts that CRIU shall leave to us
   */
  async checkpoint(pid: number): Promise<string[]> {
    // CRIU names the root of the tree first, and that call does the work for all processes.
    if (this.#covered.has(pid) || this.#isLeftToCriu(pid)) return [];
    await this.#own();
    for (const member of this.context.host.processes.tree(pid)) this.#covered.add(member);
    const first = this.#covered.values().next().value ?? pid;
    const { policy, session } = policyOf(this.context, first, this.#options);
    this.#session = session;
    this.#started = true;
    const pids = [...this.#covered];
    const { journal } = await dumpGhosts(this.context, {
      images: this.images,
      pids,
      policy,
      criu: true,
      earlierGhosts: this.#earlier,
      ...(this.#move ? { elsewhere: this.#move.elsewhere } : { warm: this.#warmFor(pids, policy) }),
      ...(session ? { container: session.container } : {}),
    });
    this.#journal = journal;
    if (hasOurs(journal)) this.letGo();
    return keysOfJournal(journal);
  }

  /**
   * Does CRIU dump all ghosts itself? It must, if the image is streamed, so that it never lies in the
   * directory as files, or encrypted, so that we cannot rewrite it. @throws SHM_NOT_KEPT, SHM_NOT_HELD
   */
  #isLeftToCriu(pid: number): boolean {
    // Once some ghosts are ours the dump has to be sealed, whatever appears in the directory.
    const why = this.#started ? undefined : this.#whyLeftToCriu();
    if (!why || this.#leftToCriu) return why !== undefined;
    this.context.log.warn(why);
    this.#leftToCriu = true;
    const { policy } = policyOf(this.context, pid, this.#options);
    assertNothingOnShm(this.context, { pids: this.context.host.processes.tree(pid), policy });
    return true;
  }

  #whyLeftToCriu(): string | undefined {
    return whyUnsealable(this.context.host.files, this.images);
  }

  /**
   * CRIU has ended in the middle of a request. The directory is ours, so nobody needs the warm images in it.
   */
  abandon(): void {
    this.#warm?.bases?.giveBack();
    if (this.#started) this.#clear();
    else removeWarmImages(this.context, this.images);
  }

  /** Removes our images, but not the bases that a round has left for the next dump. */
  #clear(): void {
    clearImages(this.context.host, this.images, basesIn(this.context, this.images));
  }

  /** CRIU has finished, and the processes are still frozen. @param result of the dump: 0 is success */
  async finish(result: number): Promise<void> {
    // By now the dump has taken the warm images, or another plugin has answered for every process.
    if (result === 0) this.#warm?.discard();
    else this.#warm?.giveBack();
    try {
      if (result !== 0) await this.#giveUp();
      else {
        // Nobody has begun another dump here, because our journal names us and we live.
        await this.#own({ begins: false });
        this.#finishAsOwner();
        if (this.#journal?.moved) await this.#move?.sendImages(this.images);
      }
      // A helper that was killed may have left its folder.
      if (this.#owned) removeLeftovers(this.context, this.images);
    } finally {
      await this.#move?.close();
      this.#warm?.bases?.letGo();
      this.letGo();
    }
  }

  /**
   * A dump that failed before we were asked has left nothing of ours: our files in the directory are an older
   * dump's. We do not wait for another owner, because the container is to run on. Files that stay are of no
   * use, and the next dump removes them.
   */
  async #giveUp(): Promise<void> {
    if (!this.#started) return;
    try {
      await this.#own({ waitMs: 0 });
      this.#clear();
    } catch (error) {
      if (fieldsOf(error).code !== 'IN_USE') throw error;
      const where = this.context.host.files.realPath(this.images);
      this.context.log.warn(`the copies of a failed dump stay in ${where}: ${reasonOf(error)}`);
    }
  }

  #finishAsOwner(): void {
    const where = this.context.host.files.realPath(this.images);
    // An older dump's manifest says nothing about the images that CRIU has written now, and would make the
    // restore fail.
    if (this.#leftToCriu && !this.#started) clearImages(this.context.host, this.images);
    const journal = this.#journal;
    if (journal && hasOurs(journal)) {
      const manifest = this.#seal(journal, where);
      this.context.log.info(`${showSummary(manifest)}; sealed in ${where}`);
    }
    if (this.#session) rememberImages(this.context, this.#session, where);
  }

  #seal(journal: Manifest, where: string): Manifest {
    const left = setAsideOlderImages(this.context, this.images, this.#older);
    if (left.length > 0)
      this.context.log.error(
        `${left.join(', ')} in ${where} was of an earlier checkpoint and has ".earlier" behind its name now: CRIU names it and has not written it, so this checkpoint lacks it`,
      );
    const manifest = this.#sealed(journal);
    if (manifest) return manifest;
    throw new GhostkeepError(
      'SEAL_FAILED',
      where,
      `cannot seal ${where}: somebody else sealed it before CRIU had finished`,
    );
  }

  /**
   * Seals, unless a receiver has done it: with --lazy-pages, CRIU calls us only after it has served memory
   * for as long as the restored processes ask for it. If the receiver sealed before CRIU had written all of
   * files.img, ghosts would be missing.
   * @returns undefined if that has happened
   */
  #sealed(journal: Manifest): Manifest | undefined {
    const { manifest, now } = sealImages(this.context, this.images, { durable: false, journal });
    if (now) return manifest;
    const { files } = this.context.host;
    const sealed = new Set(keysOfJournal(manifest));
    // A seal keeps only those ghosts that it found in files.img, but all links.
    const isWhole =
      isOfThisCheckpoint(files, this.images, manifest) &&
      keysOfJournal(journal).every(key => sealed.has(key)) &&
      lostNames(files.read(`${this.images}/files.img`, bounds.files), (journal.links ?? []).map(toKeyPath))
        .length === 0;
    return isWhole ? manifest : undefined;
  }
}
