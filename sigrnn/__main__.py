"""Run the command line by `python -m sigrnn`."""

import sys

from sigrnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
