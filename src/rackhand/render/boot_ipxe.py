"""The script that iPXE runs first, on every machine."""

BOOT_SCRIPT = """\
#!ipxe
# The script of the NIC that this machine has just booted through. Ironic's own boot.ipxe
# takes the first NIC that has one, whichever NIC the boot came through.
chain pxelinux.cfg/${netX/mac:hexhyp} || goto others
exit 0

# An iPXE that does not know netX (before 2013) asks for every NIC's.
:others
set number:int32 -1
:next
inc number || goto none
isset ${net${number}/mac} || goto none
chain pxelinux.cfg/${net${number}/mac:hexhyp} || goto next
exit 0

:none
echo No NIC of this machine is expected to boot here.
sleep 60
reboot
"""
"""``exit 0`` lets the firmware go on with its next boot device."""
