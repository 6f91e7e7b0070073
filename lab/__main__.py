"""``python -m lab``: see script/lab."""

from lab.cli import main

main()
