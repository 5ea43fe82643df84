#!/bin/bash
# Boots Remus in QEMU, on several CPUs, without and with a VMI ROM, runs its own tests there and checks the exit status.
#
# QEMU is an independent opinion on the guest: what works there and not in Romulus is Romulus's fault. Not part of `npm test`,
# because QEMU is not required. Usage: test/boot/qemu-remus.sh
set -eu
cd "$(dirname "$0")/../.."
make --silent -C guest

command -v qemu-system-i386 >/dev/null || { echo "qemu-remus: qemu-system-i386 is not installed" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build_rom NAME OPTION...: an option ROM whose bytes add up to 0.
build_rom() {
  local name=$1
  shift
  gcc -m32 -c "$@" -o "$work/$name.o" test/boot/passthrough.S
  objcopy -O binary -j .text "$work/$name.o" "$work/$name.rom"
  node -e '
    const fs = require("node:fs"), file = process.argv[1], rom = fs.readFileSync(file);
    rom[rom.length - 1] = -rom.reduce((sum, byte) => sum + byte, 0) & 0xff;
    fs.writeFileSync(file, rom);' "$work/$name.rom"
}
build_rom jump
build_rom call -DIRET_BY_CALL

failed=0
# boot TITLE EXPECTED-STATUS EXPECTED-TEXT APPEND QEMU-OPTION...
boot() {
  local title=$1 expected=$2 text=$3 append=$4 status=0
  shift 4
  timeout 60 qemu-system-i386 -kernel dist/guest/remus.elf -initrd dist/guest/initrd.tar -append "$append" -m 64M \
    -display none -serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1 "$@" </dev/null >"$work/out" 2>&1 || status=$?
  if [ "$status" = "$expected" ] && grep -q "$text" "$work/out"; then
    echo "ok      $title"
  else
    echo "FAILED  $title: exit status $status, $expected expected, with \"$text\""
    tail -n 30 "$work/out"
    failed=1
  fi
}

for cpu in 486 pentium qemu32 max; do
  boot "$cpu, no ROM" 0 'all .* contained' test -cpu $cpu
done
boot "ROM, IRET by jump" 0 'all .* contained' test -option-rom "$work/jump.rom"
boot "ROM, IRET by call" 0 'all .* contained' test -option-rom "$work/call.rom"
boot "ROM, all sites patched" 0 'pass-through ROM' 'run="rom; bench exec; bench touch"' -option-rom "$work/jump.rom"
boot "ROM ignored" 0 'No VMI ROM (rom=off)' 'rom=off run="bench exec"' -option-rom "$work/jump.rom"
boot "exit status" 7 'Remus' 'run="halt 7"'
boot "quiet" 0 'hello' 'quiet run="echo hello"'
boot "little memory" 0 'all .* contained' test -m 4M
boot "much memory" 0 'all .* contained' test -m 1200M
exit $failed
