"""Which part of a layer's output lies on which grid over the input."""

import pytest
import torch

from mmlens.attribution.tokens import layouts_of, token_grid


def read(tensor, input_size, inside=()):
    return [layout(tensor) for layout in layouts_of(tensor.shape, input_size, inside)]


def numbered(length, extra=0, channels=2):
    """(1, L, C): cell k holds k in channel 0 and -k in channel 1; extra tokens hold 1e6."""
    cells = torch.arange(length - extra, dtype=torch.float32)
    tokens = torch.cat([torch.full((extra,), 1e6), cells])
    return torch.stack([tokens, -tokens][:channels], 1)[None]


@pytest.mark.parametrize(
    ('length', 'size', 'extra', 'grid'),
    [
        (197, (224, 224), 1, (14, 14)),  # ViT-B/16
        (50, (224, 224), 1, (7, 7)),  # CLIP, ViT-B/32
        (257, (224, 224), 1, (16, 16)),  # ViT-L/14
        (1370, (518, 518), 1, (37, 37)),  # DINOv2
        (198, (224, 224), 2, (14, 14)),  # DeiT, class and distillation token
        (261, (224, 224), 5, (16, 16)),  # DINOv2 with four registers
        (785, (224, 224), 1, (28, 28)),  # ViT-S/8
        (65, (32, 32), 1, (8, 8)),  # a ViT/4 for small pictures
        (196, (224, 224), 0, (14, 14)),
        (3136, (224, 224), 0, (56, 56)),  # Swin, T2T, PVT
        (49, (224, 224), 0, (7, 7)),
        (301, (320, 240), 1, (20, 15)),
        (950, (800, 1216), 0, (25, 38)),  # DETR's encoder
        (875, (800, 1088), 0, None),
        (1050, (800, 1333), 0, (25, 42)),  # not a multiple of 32: rounded up
        (60800, (800, 1216), 0, (200, 304)),
    ],
)
def test_tokens_are_laid_on_their_grid(length, size, extra, grid):
    found = read(numbered(length, extra), size)
    if grid is None:
        assert found == []
        return
    (level,) = found
    assert level.shape == (1, 2, *grid)
    expected = torch.arange(length - extra, dtype=torch.float32).reshape(grid)
    assert torch.equal(level[0, 0], expected)
    assert torch.equal(level[0, 1], -expected)


def test_the_grid_alone():
    assert token_grid(197, (224, 224), extra=1) == (14, 14)
    assert token_grid(197, (224, 224)) is None
    assert token_grid(5, (224, 224), extra=5) is None
    assert token_grid(0, (224, 224)) is None


@pytest.mark.parametrize('length', [1, 2, 5, 7, 195, 203, 190, 1000])
def test_lengths_that_fit_no_grid_are_no_map(length):
    assert read(numbered(length), (224, 224)) == []


def test_length_first_tokens():
    tokens = numbered(197, 1)
    assert torch.equal(read(tokens.transpose(0, 1), (224, 224))[0], read(tokens, (224, 224))[0])


@pytest.mark.parametrize(
    ('size', 'strides'),
    [
        ((800, 1216), (8, 16, 32, 64)),
        ((801, 1199), (8, 16, 32, 64)),
        ((640, 640), (8, 16, 32)),
        ((1024, 1024), (4, 8, 16, 32, 64)),
        ((512, 768), (4, 8, 16, 32)),
        ((512, 768), (16, 32)),
    ],
)
@pytest.mark.parametrize('length_first', [False, True])
def test_stacked_levels_are_taken_apart(size, strides, length_first):
    grids = [(-(-size[0] // s), -(-size[1] // s)) for s in strides]
    parts = [torch.rand(1, h * w, 3) for h, w in grids]
    stacked = torch.cat(parts, 1)
    levels = read(stacked.transpose(0, 1) if length_first else stacked, size)
    assert len(levels) == len(strides)
    for level, part, (h, w) in zip(levels, parts, grids):
        assert torch.equal(level, part.transpose(1, 2).reshape(1, 3, h, w))


@pytest.mark.parametrize('strides', [(8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32, 64)])
def test_no_input_size_makes_a_stack_look_like_one_grid(strides):
    for height in range(96, 1376, 32):
        for width in range(height, 1376, 32):
            length = sum(-(-height // s) * -(-width // s) for s in strides)
            assert len(layouts_of((1, length, 256), (height, width))) == len(strides)


@pytest.mark.parametrize('stride', [8, 14, 16, 32])
@pytest.mark.parametrize('extra', [0, 1, 2, 5])
def test_no_input_size_makes_a_vit_look_like_anything_else(stride, extra):
    for height in range(4 * stride, 60 * stride, 3 * stride):
        for width in range(height, 60 * stride, 3 * stride):
            grid = height // stride, width // stride
            tokens = torch.zeros(1, grid[0] * grid[1] + extra, 1)
            tokens[0, extra] = 1
            (level,) = read(tokens, (height, width))
            assert level.shape[2:] == grid
            assert level[0, 0, 0, 0] == 1


def test_mask2formers_pixel_decoder_stacks_the_coarsest_level_first():
    grids = [(10, 12), (20, 24), (40, 48)]
    parts = [torch.rand(1, h * w, 3) for h, w in grids]
    inside = ['Mask2Former', 'Mask2FormerHead', 'MSDeformAttnPixelDecoder', 'Mask2FormerTransformerEncoder']
    levels = read(torch.cat(parts, 1), (320, 384), inside)
    assert [level.shape[2:] for level in levels] == grids
    assert torch.equal(levels[2], parts[2].transpose(1, 2).reshape(1, 3, 40, 48))


@pytest.mark.parametrize(
    ('shape', 'size', 'inside'),
    [
        # 100 queries are as many as the cells of stride 32, and 300 as those of a VGA picture.
        ((1, 100, 256), (320, 320), ['DETR', 'DetrTransformerDecoder', 'ModuleList', 'DetrTransformerDecoderLayer']),
        ((100, 1, 256), (320, 320), ['DETR', 'DetrTransformerDecoder', 'LayerNorm']),
        ((1, 300, 256), (480, 640), ['DeformableDETR', 'DeformableDetrTransformerDecoder']),
        ((1, 300, 80), (480, 640), ['DeformableDETR', 'DeformableDETRHead', 'ModuleList', 'Linear']),
        ((1, 900, 256), (960, 960), ['DINO', 'DINOHead', 'ModuleList', 'Sequential']),
        ((1, 100, 256), (320, 320), ['SparseRCNN', 'SparseRoIHead', 'ModuleList', 'DIIHead']),
        # One box, one region of interest.
        ((1, 256, 7, 7), (320, 320), ['FasterRCNN', 'StandardRoIHead', 'SingleRoIExtractor']),
    ],
)
def test_what_stands_for_objects_is_no_map(shape, size, inside):
    assert layouts_of(shape, size, inside) == []
    assert len(layouts_of(shape, size, ['Backbone'])) == 1  # the shape alone does not tell


@pytest.mark.parametrize('size', [(640, 640), (800, 800)])
@pytest.mark.parametrize('queries', [100, 300, 900])
def test_common_numbers_of_queries_fit_no_grid_of_common_inputs(size, queries):
    assert layouts_of((1, queries, 256), size) == []


def test_a_decoder_that_makes_maps_is_not_taken_for_one_of_queries():
    assert len(layouts_of((1, 256, 80, 80), (320, 320), ['MaskFormer', 'PixelDecoder', 'ConvModule'])) == 1
    assert len(layouts_of((1, 100, 256), (320, 320), ['MAE', 'MAEPretrainDecoder', 'TransformerEncoderLayer'])) == 1


@pytest.mark.parametrize(
    ('size', 'grids'),
    [
        ((224, 224), [(56, 96), (28, 192), (14, 384), (7, 768)]),
        ((1024, 1024), [(64, 768), (64, 1280), (256, 128)]),
    ],
)
def test_channels_last_maps(size, grids):
    for side, channels in grids:
        tensor = torch.rand(1, side, side, channels)
        (level,) = read(tensor, size)
        assert torch.equal(level, tensor.permute(0, 3, 1, 2))


@pytest.mark.parametrize(
    ('shape', 'size'),
    [
        ((1, 64, 80, 80), (640, 640)),
        ((1, 80, 80, 80), (640, 640)),  # a cube: channels first
        ((1, 20, 20, 20), (640, 640)),
        ((1, 64, 64, 32), (1024, 512)),
        ((1, 128, 64, 32), (1024, 512)),  # (128, 64) is a grid of this input too
        ((1, 256, 128, 64), (1024, 512)),
        ((1, 512, 38, 38), (300, 300)),
        ((1, 192, 35, 35), (299, 299)),  # no padding in the stem: not a grid of any stride
        ((1, 2048, 25, 42), (800, 1333)),
        ((1, 256, 7, 11), (800, 1344)),
        ((1, 256, 1, 1), (300, 300)),
        ((1, 3, 416, 416), (416, 416)),
    ],
)
def test_maps_stay_as_they_are(shape, size):
    tensor = torch.rand(shape)
    (level,) = read(tensor, size)
    assert level is tensor


@pytest.mark.parametrize(
    'shape',
    [
        (1, 8, 1064, 32),  # heads, tokens, channels
        (1, 1, 100, 256),  # one decoder layer's queries
        (6, 1, 100, 256),
        (2, 256, 25, 38),
        (100, 256, 7, 7),
        (300, 256, 1, 1),
        (64, 49, 96),  # windows
        (1, 1000),
        (1, 80, 5, 25, 38),
        (256,),
        (),
        (1, 1, 256),
        (2, 950, 256),
    ],
)
def test_what_does_not_lie_over_one_input_is_no_map(shape):
    assert layouts_of(shape, (800, 1216)) == []


def test_gradients_take_the_same_way_as_activations():
    tokens = torch.rand(1, 197, 3, requires_grad=True)
    layout = layouts_of(tokens.shape, (224, 224))[0]
    weights = torch.rand(1, 3, 14, 14)
    gradient = torch.autograd.grad((layout(tokens) * weights).sum(), tokens)[0]
    assert torch.equal(layout(gradient), weights)
    assert not gradient[:, 0].any()  # the class token lies nowhere


def test_every_level_of_a_pyramid_has_the_shape_of_its_input():
    for height in range(64, 1344, 61):
        for width in range(64, 1344, 67):
            for stride in (4, 8, 16, 32, 64, 128):
                h, w = -(-height // stride), -(-width // stride)
                assert len(layouts_of((1, 257, h, w), (height, width))) == 1
                if min(height, width) >= stride:
                    floored = height // stride, width // stride
                    assert len(layouts_of((1, 257, *floored), (height, width))) == 1
