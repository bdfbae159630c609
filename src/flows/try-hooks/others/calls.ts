/**
 * The calls that a hook of somebody else gets: what runc, crun, podman and CRI-O do, and what hooks stumble
 * over. Source: OCI runtime-spec, runtime.md (State, Lifecycle), config.md (POSIX-platform Hooks).
 */
export type PlayedStage = 'prestart' | 'createRuntime' | 'poststop';

/** The container that a trial plays. */
export interface Scene {
  id: string;
  /** The container's first process. */
  pid: number;
  bundle: string;
  /** A file that only exists if the hook runs text of the state as code. */
  mark: string;
}

export interface Call {
  /** The runtime that calls, and its action. */
  as: string;
  stage: PlayedStage;
  /** The reason why this call is special, for the report of a hook that fails it. */
  point: string;
  cwd: string;
  /** As the runtime writes it to the hook's stdin. */
  state: Record<string, unknown>;
}

/**
 * The calls in the order of a container's life. Only this order matters: no call needs anything that an
 * earlier one has left.
 */
export function callsOf({ id, pid, bundle, mark }: Scene, stages: readonly PlayedStage[]): Call[] {
  const version = '1.2.0';
  const creating = { ociVersion: version, id, status: 'creating', pid, bundle, annotations: {} };
  const { annotations: _, ...bare } = creating;
  const { pid: __, ...stopped } = { ...creating, status: 'stopped' };
  const start = (stage: PlayedStage): Call[] => [
    {
      as: 'runc creates',
      stage,
      point: 'the environment is empty but for what the stanza names: no PATH, no HOME',
      cwd: bundle,
      state: creating,
    },
    {
      as: 'podman creates',
      stage,
      point: 'one hook may be registered for prestart and createRuntime, and is then called twice',
      cwd: bundle,
      state: creating,
    },
    {
      as: 'crun before 1.27 creates',
      stage,
      point: 'the bundle is "/", where there is no config.json of the container (crun#2025)',
      cwd: '/',
      state: { ...creating, bundle: '/' },
    },
    {
      as: 'crun creates',
      stage,
      point: 'a container without annotations: the state has no such field',
      cwd: '/',
      state: bare,
    },
    {
      as: 'CRI-O creates',
      stage,
      point: 'a pod has 192 KiB of annotations, more than one argument of a program may have',
      cwd: bundle,
      state: { ...creating, annotations: { 'kubectl.kubernetes.io/last-applied': 'a'.repeat(192 * 1024) } },
    },
    {
      as: 'CRI-O creates',
      stage,
      point: 'an annotation has quotes, newlines and commands, which nobody may run',
      cwd: bundle,
      state: {
        ...creating,
        annotations: { text: `'";\n$(touch ${mark})\`touch ${mark}\`\n; touch ${mark} #` },
      },
    },
    {
      as: 'a later runtime creates',
      stage,
      point: 'the state has a later version and a field that nobody knows yet',
      cwd: bundle,
      state: { ...creating, ociVersion: '1.9.0', later: { field: [1] } },
    },
    {
      as: 'runc restores',
      stage,
      point: 'at a restore the hook is called again for a container that it has seen',
      cwd: bundle,
      state: creating,
    },
  ];
  const end: Call[] = [
    {
      as: 'runc deletes',
      stage: 'poststop',
      point: 'the container has no process any more: the state has no pid',
      cwd: bundle,
      state: stopped,
    },
    {
      as: 'crun deletes',
      stage: 'poststop',
      point: 'the container has no process any more: its pid is 0',
      cwd: '/',
      state: { ...stopped, pid: 0 },
    },
    {
      as: 'podman cleans up',
      stage: 'poststop',
      point: 'the bundle is gone by now, and poststop is called a second time',
      cwd: '/',
      state: { ...stopped, bundle: `${bundle}/gone` },
    },
    {
      as: 'runc gives up',
      stage: 'poststop',
      point: 'a container that was never created, because another hook failed',
      cwd: bundle,
      state: { ...stopped, id: `${id}-never` },
    },
  ];
  return [
    ...stages.filter(stage => stage !== 'poststop').flatMap(start),
    ...(stages.includes('poststop') ? end : []),
  ];
}
