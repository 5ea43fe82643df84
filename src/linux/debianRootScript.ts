/**
 * The script that installs Debian inside a guest of ours, from a disk with packages (/dev/vdb) onto an empty one (/dev/vda). Separate
 * because it is another language. Read before: `debianRoot.ts`.
 */

/** The first packages that dpkg installs, because others' scripts take them for granted. */
const FIRST = ['base-passwd', 'base-files', 'dpkg', 'libc6', 'perl-base', 'mawk', 'debconf'];

/**
 * @param required names of the files whose contents are there before dpkg runs
 * @param all names of all files
 */
export function installScript(required: readonly string[], all: readonly string[]): string {
  return `set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
modprobe -q ext4 || true
mkdir -p /target /packages
mount -o noatime /dev/vda /target
mount -o ro /dev/vdb /packages
cd /target

# One tree below /usr, as Debian 12 has it; packages bring folders where these links are.
mkdir -p usr var/lib/dpkg/info etc/dpkg/dpkg.cfg.d
for folder in bin sbin lib; do
  mkdir -p usr/$folder
  ln -s usr/$folder $folder
done
: >var/lib/dpkg/status
: >var/lib/dpkg/available

# Nothing here has to survive a power cut, and nobody reads manuals in a guest.
cat >etc/dpkg/dpkg.cfg.d/romulus <<END
force-unsafe-io
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
END

for file in ${required.join(' ')}; do
  echo "Unpacking \${file%.deb} first"
  ar -p /packages/$file data.tar | tar -x -f - -C /target
done

echo romulus >etc/hostname
echo '127.0.0.1 localhost romulus' >etc/hosts
echo '/dev/vda / ext4 noatime 0 1' >etc/fstab
mkdir -p usr/sbin proc sys dev packages
printf '#!/bin/sh\\nexit 101\\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
for folder in proc sys dev packages; do mount -o bind /$folder /target/$folder; done

# By env, because busybox' chroot would take commands of busybox' own.
inside() { chroot /target /usr/bin/env "$@"; }
install="dpkg --force-depends --force-confold --force-overwrite"
for name in ${FIRST.join(' ')}; do inside $install --install /packages/$name.deb; done
inside $install --skip-same-version --unpack ${all.map((name) => `/packages/${name}`).join(' ')}
# A package may need another one's configuration that dpkg gets to only later.
inside dpkg --configure --pending --force-configure-any || inside dpkg --configure --pending
inside dpkg --audit

inside passwd -d root
rm -f usr/sbin/policy-rc.d
umount /target/packages
rmdir packages
for folder in proc sys dev; do umount /target/$folder || umount -l /target/$folder; done
cd /
umount /target || mount -o remount,ro /target
`;
}
