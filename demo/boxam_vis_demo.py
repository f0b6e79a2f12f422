"""Draw the evidence for every box, by the name and arguments of MMYOLO's script: the same as `mmlens boxam`."""

import sys

from mmlens.cli.commands import boxam

if __name__ == '__main__':
    sys.exit(boxam.main())
