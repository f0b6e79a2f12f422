"""Draw the evidence for every box, by the name and arguments of MMYOLO's script: the same as `mmlens boxam`.

`--method gradcam` draws what MMYOLO's own script does: gradient times activation at the neck.
"""

from mmlens.cli.main import run

if __name__ == '__main__':
    run('boxam')
