"""Names of classes, of a checkpoint's ``meta`` of any type or of a config."""

from __future__ import annotations

import pytest

from mmlens.models.dataset_meta import meta_of_checkpoint, meta_of_config, names_in
from mmlens.models.inputs import default_scope


@pytest.mark.parametrize(
    ('meta', 'names'),
    [
        ({'dataset_meta': {'CLASSES': ('a', 'b')}}, ['a', 'b']),
        ({'CLASSES': ['x']}, ['x']),
        ({'CLASSES': 'cup'}, ['cup']),
        ({'dataset_meta': {'classes': 3}}, []),
        ({'dataset_meta': ['a']}, []),
        ({'dataset_meta': {0: 1}}, []),
        (None, []),
        ('text', []),
        ([1, 2], []),
    ],
)
def test_names_of_a_checkpoint_whatever_its_meta_is(meta, names):
    assert names_in(meta_of_checkpoint(meta)) == names


def test_names_of_a_config(yolox_config):
    with default_scope(yolox_config):
        assert names_in(meta_of_config(yolox_config)) == ['cup', 'fork', 'knife']
