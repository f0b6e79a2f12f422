"""Draw feature maps, by the name and arguments of MMYOLO's script: the same as `mmlens featmap`."""

from mmlens.cli.main import run

if __name__ == '__main__':
    run('featmap')
