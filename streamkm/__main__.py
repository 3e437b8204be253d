"""``python -m streamkm``."""

from streamkm.cli import main

main()
