"""Draw data pipelines, by the name and arguments of MMClassification's script: the same as `mmlens pipeline`."""

from mmlens.cli.main import run

if __name__ == '__main__':
    run('pipeline')
