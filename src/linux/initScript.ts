/**
 * The first program of our initramfs: a script for busybox that makes the usual file systems, loads drivers for the devices that are
 * there, and then starts a shell, the root file system of a disk, or waits for commands.
 *
 * Everything of ours is below /romulus, so that the same script serves a guest whose root is somebody's own folder. What is wanted
 * comes on the kernel command line as NAME=VALUE, which Linux hands to its first program as environment. (Linux: Documentation/
 * admin-guide/kernel-parameters.rst, introduction) Read after: `initramfs.ts`.
 */

/** Folder of our own files in the guest. */
export const OWN_FOLDER = 'romulus';
/** Kernel parameter that makes Linux start the script. */
export const INIT_PARAMETER = `rdinit=/${OWN_FOLDER}/init`;

/** What the guest does once it is up. */
export type Session = 'shell' | 'agent' | 'init';

/** Names of the variables by which the script is told what to do. */
export const Variable = {
  /** A `Session`. */
  Session: 'ROMULUS_SESSION',
  /** Device of the disk that holds the root file system. */
  Root: 'ROMULUS_ROOT',
} as const;

export const initScript = `#!/${OWN_FOLDER}/busybox sh
# First program of a guest that 'romulus linux' has made.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/${OWN_FOLDER}/bin HOME=/root
own=/${OWN_FOLDER}
box() { $own/busybox "$@"; }

# Each command that is not the shell's own is a process more to start: hence the lists of arguments below.
for folder in proc sys dev run tmp root mnt; do [ -d /$folder ] || box mkdir -p /$folder; done
box mount -t devtmpfs dev /dev
box mkdir -p /dev/pts /dev/shm
box mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
box mount -t tmpfs -o mode=1777 shm /dev/shm
box mount -t proc proc /proc
box mount -t sysfs sys /sys
box mount -t tmpfs -o mode=755 run /run
box mount -t tmpfs -o mode=1777 tmp /tmp
echo romulus >/proc/sys/kernel/hostname
[ -d /sys/class/net/lo ] && box ip link set lo up

# Drivers for the devices of each bus, in the order in which one bus brings forth the next.
read -r release </proc/sys/kernel/osrelease
if [ -d "/lib/modules/$release" ]; then
  read -r words </proc/cmdline
  case "$words" in *virtio_mmio.device=*) box modprobe -q virtio_mmio ;; esac
  for bus in acpi pci virtio; do
    set --
    for device in /sys/bus/$bus/devices/*; do
      [ -f $device/modalias ] && [ ! -e $device/driver ] && read -r alias <$device/modalias && set -- "$@" "$alias"
    done
    [ $# -gt 0 ] && box modprobe -qa "$@"
  done 2>/dev/null
fi

fail() {
  echo "romulus: $1" >/dev/console
  exec $own/busybox poweroff -f
}

if [ -n "$${Variable.Root}" ]; then
  box mkdir -p /sysroot
  box modprobe -q ext4
  tries=0
  until [ -b $${Variable.Root} ]; do
    tries=$((tries + 1))
    [ $tries -gt 20 ] && fail "there is no disk $${Variable.Root}: the kernel has no driver for it"
    box sleep 0.1
  done
  # The disk itself, or its first partition that has a file system.
  for part in $${Variable.Root} $${Variable.Root}[1-9]; do
    box mount $part /sysroot 2>/dev/null && break
  done
  box grep -q " /sysroot " /proc/mounts || fail "no file system on $${Variable.Root} can be mounted"
  for folder in dev proc sys run tmp; do
    box mkdir -p /sysroot/$folder
    box mount --move /$folder /sysroot/$folder
  done
  box mkdir -p /sysroot/run/${OWN_FOLDER}
  box cp -a $own/. /sysroot/run/${OWN_FOLDER}/
  own=/run/${OWN_FOLDER}
  export PATH="$PATH:$own/bin"
  # busybox wants to see it before it empties what may be the wrong file system. (busybox: switch_root.c)
  : >>/init
  exec /${OWN_FOLDER}/busybox switch_root /sysroot $own/busybox sh $own/session
fi
. $own/session
`;

export const sessionScript = `# What a guest of 'romulus linux' does once its root file system is there; it runs as the first process.
[ -d /run/${OWN_FOLDER} ] && own=/run/${OWN_FOLDER} || own=/${OWN_FOLDER}
box() { $own/busybox "$@"; }
cd

# The signals by which busybox' commands ask the first process for the machine's end. (busybox: init/halt.c)
end() {
  box sync
  box "$1" -f
}
trap 'end halt' USR1
trap 'end poweroff' USR2
trap 'end reboot' TERM

# A signal interrupts wait, but not a command in the foreground.
wait_for() {
  while box kill -0 $1 2>/dev/null; do wait $1; done
}

# It waits for its port, which the driver brings forth after the device. A console device need not have one: that only matters, and
# is told, where the guest is there to run commands.
agent=
if box ls -d /sys/bus/virtio/drivers/virtio_console/virtio* >/dev/null 2>&1; then
  [ "$${Variable.Session}" = agent ] && complaints=/dev/console || complaints=/dev/null
  $own/agent 2>$complaints &
  agent=$!
elif [ "$${Variable.Session}" = agent ]; then
  echo 'romulus: no virtio console is found, and commands come by one: the kernel has no driver for it, or for PCI' >/dev/console
fi

case "$${Variable.Session}" in
init)
  exec /sbin/init
  ;;
agent)
  wait_for $agent
  ;;
*)
  console=/dev/$(box sed 's/.* //' /sys/class/tty/console/active)
  [ -n "$LINES" ] && box stty -F $console rows $LINES cols $COLUMNS
  unset LINES COLUMNS ${Object.values(Variable).join(' ')}
  [ -x /bin/bash ] && shell=/bin/bash || shell=/bin/sh
  [ -x $shell ] || shell="$own/busybox sh"
  # A session of its own with the console as its terminal: that is what job control needs.
  box setsid -c $shell -l <$console >$console 2>&1 &
  wait_for $!
  ;;
esac
end poweroff
`;
