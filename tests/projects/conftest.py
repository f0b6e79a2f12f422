import inspect
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `projects` lies beside the package and is not installed with it
    sys.path.insert(0, str(ROOT))


@pytest.fixture(scope='session')
def dino_of_any_width():
    """Skips where DINO's decoder encodes positions for transformers of 256 channels alone."""
    from mmdet.models.layers.transformer import dino_layers

    if 'num_feats' not in inspect.getsource(dino_layers.DinoTransformerDecoder.forward):
        pytest.skip("this mmdet's DINO is 256 channels wide or fails")
