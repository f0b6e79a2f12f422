"""Draw the learning rate, by the name and arguments of MMClassification's script: the same as `mmlens lr`."""

import sys

from mmlens.cli.commands import lr

if __name__ == '__main__':
    sys.exit(lr.main())
