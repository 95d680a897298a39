"""``python -m analognn`` is the command ``analognn``."""

from analognn.cli import main

main()
