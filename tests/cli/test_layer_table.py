import pytest

from mmlens.cli.layer_table import format_layers, steps


@pytest.mark.parametrize(
    ('name', 'number'),
    [
        ('neck', 1),
        ('backbone.stage1', 2),
        ('neck.out_convs[2]', 3),
        ('neck.out_convs[2].conv', 4),
        ('[0]', 1),
        ('[0].a', 2),
    ],
)
def test_steps_of_a_name(name, number):
    assert steps(name) == number


def test_table():
    from mmlens.attribution.layers import LayerInfo

    layers = [
        LayerInfo('neck', 'FPN', ((1, 8, 4, 4), (1, 8, 2, 2))),
        LayerInfo('neck.out_convs', 'ModuleList', ()),
        LayerInfo('neck.out_convs[0]', 'Conv2d', ((1, 8, 4, 4),)),
    ]
    assert format_layers(layers, depth=2) == (
        'neck            FPN         1x8x4x4, 1x8x2x2\nneck.out_convs  ModuleList  not run'
    )
    assert format_layers(layers).splitlines()[2] == 'neck.out_convs[0]  Conv2d      1x8x4x4'
    assert format_layers([LayerInfo('neck', 'FPN')]) == 'neck  FPN'
    assert format_layers([LayerInfo('neck', 'FPN', auto=True)]) == 'neck *  FPN'
    assert format_layers([]) == ''
