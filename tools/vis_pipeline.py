"""Draw data pipelines, by the name and arguments of MMClassification's script: the same as `mmlens pipeline`."""

import sys

from mmlens.cli.commands import pipeline

if __name__ == '__main__':
    sys.exit(pipeline.main())
