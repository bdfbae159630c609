// The tables of docs/support.md, made from test/results.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from './table.mjs';

const top = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const suites = ['trixie', 'forky'];

/* Each row names the scenario that checks it, and what that scenario calls the runtime. */
const engines = [
  ['runc', '10-runc', 'runc'],
  ['crun', '11-crun', 'crun'],
  ['podman with crun', '12-podman-crun', 'podman-crun'],
  ['podman with runc', '13-podman-runc', 'podman-runc'],
  ['containerd, by `ctr`', '15-containerd', 'containerd'],
  ['containerd, by the CRI', '16-cri', 'containerd'],
  ['Docker', '19-docker', 'docker'],
  ['podman without root', 'rootless', 'podman'],
  ['a host with SELinux', 'selinux', 'runc'],
  ['a host with AppArmor', 'apparmor', 'runc'],
];

const filesystems = {
  ext4: 'ext4',
  'ext4-inline': 'ext4 with inline data',
  xfs: 'xfs',
  btrfs: 'btrfs',
  'btrfs-zstd': 'btrfs, compressed',
  'btrfs-subvolume': 'btrfs, a subvolume',
  tmpfs: 'tmpfs',
  'overlay-upper': 'overlayfs, upper layer',
  'overlay-lower': 'overlayfs, lower layer',
  'overlay-copied-up': 'overlayfs, copied up',
  'fuse-overlayfs': 'fuse-overlayfs',
  nfs: 'NFS',
};

/* The title of a column, its scenario, and the scenario that stands in for it on NFS. */
const onFilesystem = [
  ['runc and CRIU', '33-as-criu-would-there', '34-nfs'],
  ['shapes of files', '31-filesystem-table'],
  ['random files', '32-random-files'],
];

export function enginesByCriu() {
  const results = suites.map(suite => load(suite));
  const head = results.map(({ versions }) => `CRIU ${versions.criu}`);
  const rows = engines.map(([name, scenario, runtime]) => [
    name,
    ...results.map(result => cell(result.scenarios[scenario]?.[runtime], versionOf(result, name))),
  ]);
  return table(['', ...head], rows);
}

/* The version of the program that the first word of a row names. */
function versionOf({ versions }, name) {
  const program = name.split(/[ ,]/)[0];
  return versions[program] ? `${program} ${versions[program]}, ` : '';
}

export function filesystemsByCheck() {
  const { scenarios } = load('trixie');
  const rows = Object.entries(filesystems).map(([key, name]) => [
    name,
    ...onFilesystem.map(([, scenario, onNfs = scenario]) =>
      cell(casesOn(scenarios[key === 'nfs' ? onNfs : scenario], key)),
    ),
  ]);
  return table(['', ...onFilesystem.map(([title]) => title)], rows);
}

/* NFS is checked in several versions of the protocol, which begin with `nfs`. */
function casesOn(scenario = {}, key) {
  const runtimes = Object.keys(scenario).filter(name => (key === 'nfs' ? /^nfs/.test(name) : name === key));
  return runtimes.length === 0 ? undefined : runtimes.flatMap(name => scenario[name]);
}

export function nodeVersions() {
  const versions = Object.values(load('node'));
  const checks = Object.keys(versions[0]).filter(key => key !== 'version');
  const rows = versions.map(result => [
    result.version,
    ...checks.map(check => (result[check] ? 'passed' : 'failed')),
  ]);
  return table(['Node.js', ...checks], rows);
}

const cell = (cases, version = '') =>
  cases === undefined
    ? 'not run'
    : `${version}${cases.length} ${cases.length === 1 ? 'check' : 'checks'} passed`;

function load(name) {
  const file = path.join(top, `test/results/${name}.json`);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { versions: {}, scenarios: {} };
}
