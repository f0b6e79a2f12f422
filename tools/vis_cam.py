"""Draw which part of a picture speaks for a class, by the name and arguments of MMPretrain's script: `mmlens cam`."""

import sys

from mmlens.cli.commands import cam

if __name__ == '__main__':
    sys.exit(cam.main())
