"""Draw which part of a picture speaks for a class, by the name and arguments of MMPretrain's script: `mmlens cam`."""

from mmlens.cli.main import run

if __name__ == '__main__':
    run('cam')
