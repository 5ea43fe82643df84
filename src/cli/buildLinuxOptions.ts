/** What `romulus build-linux` can be told, apart from `buildLinux.ts` so that help loads nothing else. */

export interface BuildLinuxOptions {
  readonly source?: string;
  readonly jobs?: string;
  readonly output?: string;
  readonly refresh?: boolean;
  readonly mirror?: string;
  readonly keyring?: string;
}

export const BUILD_LINUX_EXAMPLES = `Examples:
  romulus build-linux                       from Debian's linux-source-6.1, kept for 'romulus linux --vmi'
  romulus build-linux --source ~/linux-6.1.y --output bzImage
  romulus run --kernel "$(romulus build-linux)" --initrd root.cpio --append console=ttyS0

The first call fetches 140 MB, needs 2 GB below $XDG_CACHE_HOME/romulus or ~/.cache/romulus, and takes
some minutes; later ones build what has changed. Sources given with --source are only read.`;
