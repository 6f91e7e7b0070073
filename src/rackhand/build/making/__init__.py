"""The deploy ramdisk and standard images, of packages, recipes and templates."""
