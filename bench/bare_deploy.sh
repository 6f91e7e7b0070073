# The bare deploy, run in the deploy ramdisk in place of the agent; $SERVER is set.
set -euo pipefail
step=network
trap 'code=$?; [ $code = 0 ] || curl -s "$SERVER/failed/$step" >/dev/null || true' EXIT
say() { read -r up _ < /proc/uptime; echo "bare: $up s after kernel start: $1"; }

say "script starts"
until curl -fs --connect-timeout 1 -o /run/config.iso "$SERVER/config.iso"; do sleep 0.1; done
say "network up"
step=disk
until [ -b /dev/sda ]; do sleep 0.1; done
step=image
# What is all zeros is skipped: the disk is blank.
curl -fsS "$SERVER/image.raw.zst" | zstd -dc | dd of=/dev/sda bs=1M iflag=fullblock conv=sparse,fsync
say "image written"
step=config-drive
# Not through the kernel's partitions: udev looks at the disk now, and the kernel keeps
# the old table of a disk in use. sfdisk, as sgdisk sleeps for a second at each change.
echo 'size=2048, name=config-2' | sfdisk --quiet --append --no-reread --no-tell-kernel /dev/sda
start=$(sfdisk --dump /dev/sda | sed -n 's/.*start= *\([0-9]*\),.*name="config-2".*/\1/p')
dd if=/run/config.iso of=/dev/sda bs=64k oflag=seek_bytes seek=$((start * 512)) conv=fsync
say "config drive written"
step=report
curl -fsS "$SERVER/written"
say "restarts"
echo b > /proc/sysrq-trigger
