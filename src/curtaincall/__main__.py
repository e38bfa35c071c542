"""`python -m curtaincall`."""

from curtaincall.cli import main

main()
