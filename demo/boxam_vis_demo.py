"""Draw the evidence for every box, by the name and arguments of MMYOLO's script: the same as `mmlens boxam`.

`--method gradcam` draws what MMYOLO's own script does: gradient times activation at the neck.
"""

import sys

from mmlens.cli.commands import boxam

if __name__ == '__main__':
    sys.exit(boxam.main())
