"""Draw feature maps, by the name and arguments of MMYOLO's script: the same as `mmlens featmap`."""

import sys

from mmlens.cli.commands import featmap

if __name__ == '__main__':
    sys.exit(featmap.main())
