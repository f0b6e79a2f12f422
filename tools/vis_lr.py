"""Draw the learning rate, by the name and arguments of MMClassification's script: the same as `mmlens lr`."""

from mmlens.cli.main import run

if __name__ == '__main__':
    run('lr')
