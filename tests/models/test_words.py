"""Open-vocabulary networks are told in words what to look for, and name what they find by these words."""

import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmlens.errors import MmlensError, ModelError
from mmlens.models.families import as_network
from mmlens.models.loading import load_model, read_config
from mmlens.models.words import Words

SENTENCE = "Reader is told in words what to look for: give `text='a dog. a bicycle.'`."


@pytest.fixture(scope='module')
def reader(config_of):
    """A detector with a part that reads words: it finds a box for each, named by its label alone or by name too."""
    from mmlens import compat

    compat.prepare()
    from mmdet.models import YOLOX
    from mmdet.registry import MODELS
    from mmengine.structures import InstanceData

    @MODELS.register_module(force=True)
    class Reader(YOLOX):
        def __init__(self, *args, named=False, **kwargs):
            super().__init__(*args, **kwargs)
            self.language_model = torch.nn.Embedding(30, 1)
            self.named = named

        def predict(self, batch_inputs, batch_data_samples, rescale=True):
            for sample in batch_data_samples:
                if isinstance(sample.text, str) and not sample.custom_entities:
                    raise LookupError('\n*****\n  Resource punkt_tab not found.\n  >>> import nltk')
                words = Words(sample.text, sample.custom_entities).names
                scores = torch.stack([self.language_model.weight[len(word)].sigmoid().sum() for word in words])
                found = InstanceData(bboxes=torch.rand(len(words), 4), scores=scores, labels=torch.arange(len(words)))
                if self.named:
                    found.label_names = [f'the {word}' for word in words]
                sample.pred_instances = found
            return batch_data_samples

    def build(**options):
        cfg = config_of('yolox')
        cfg.model.update(type='Reader', **options)
        return as_network(load_model(read_config(cfg), None, 'cpu'))

    return build


def test_names_are_the_parts_of_the_text():
    assert Words('a dog. a bicycle.').names == ['a dog', 'a bicycle']
    assert Words('dog . bicycle . truck').names == ['dog', 'bicycle', 'truck']
    assert Words('dog, cat').names == ['dog', 'cat']
    assert Words('a dog').names == ['a dog'] and Words(('a dog.', 'cat')).names == ['a dog.', 'cat']


def test_keys_are_those_of_every_library():
    assert Words('a. b.').keys == dict(text='a. b.', custom_entities=False, texts=[['a'], ['b'], [' ']])
    # GLIP compares the texts of a batch in a set.
    assert Words(['a', 'b'], True).keys == dict(text=('a', 'b'), custom_entities=True, texts=[['a'], ['b'], [' ']])


def test_without_words_one_sentence_asks_for_them(reader, picture):
    network = reader()
    assert network.needs_words
    for given in ({}, dict(text=''), dict(text='  '), dict(text=[]), dict(custom_entities=True)):
        with pytest.raises(MmlensError) as raised:
            network.prepare(picture, **given)
        assert str(raised.value) == SENTENCE


def test_what_is_found_is_named_by_the_words(reader, picture):
    network = reader()
    prepared = network.prepare(picture, text='a dog. a bicycle. tea.', custom_entities=True)
    assert prepared.words.names == ['a dog', 'a bicycle', 'tea']
    with torch.no_grad():
        found = network.predict(prepared)
    names = [prepared.words.names[label] for label in found.labels]
    assert network.names_of(prepared, found) == names and sorted(names) == ['a bicycle', 'a dog', 'tea']
    assert network.class_name(1, prepared) == 'a bicycle' and network.class_name(1) == 'fork'
    assert network.class_indexes(['tea', 0], prepared) == [2, 0]
    with pytest.raises(MmlensError, match="knows no class 'cup': it knows a dog"):
        network.class_indexes('cup', prepared)


def test_names_that_the_model_gives_itself_count(reader, picture):
    network = reader(named=True)
    prepared = network.prepare(picture, text=['a dog', 'tea'])
    with torch.no_grad():
        found = network.predictions(prepared)
    assert sorted(network.names_of(prepared, found)) == ['the a dog', 'the tea']
    assert [f'the {prepared.words.names[label]}' for label in found.labels] == found.names


def test_every_copy_of_a_picture_is_told(reader, picture):
    network = reader()
    prepared = network.prepare(picture, text=('a dog', 'tea'))
    with torch.no_grad():
        samples = network.samples(prepared, 2)
    assert len(samples) == 2 and all(torch.equal(one.pred_instances.labels, torch.arange(2)) for one in samples)


def test_words_for_a_network_that_reads_none_are_refused(yolox, picture):
    assert not yolox.needs_words
    with pytest.raises(
        MmlensError, match='^YOLOX has fixed classes and reads no words: leave out `text` and `custom_entities`'
    ):
        yolox.prepare(picture, text='a dog')
    with pytest.raises(MmlensError, match='reads no words'):
        yolox.prepare(picture, custom_entities=False)


def test_words_that_the_model_cannot_read_are_one_sentence(reader, picture):
    network = reader()
    prepared = network.prepare(picture, text='a dog. a bicycle.')
    for run in (network.predict, network.predictions):
        with pytest.raises(ModelError) as raised:
            run(prepared)
        assert str(raised.value) == (
            'Reader cannot find the nouns in the text: Resource punkt_tab not found; with `custom_entities=True` each '
            'part between two full stops is taken as the name of a class.'
        )


def test_a_pipeline_that_packs_words_says_that_they_are_needed(config_of):
    cfg = config_of('yolox')
    cfg.test_dataloader.dataset.pipeline[-1].meta_keys = ('ori_shape', 'text', 'custom_entities')
    assert as_network(load_model(read_config(cfg), None, 'cpu')).needs_words


def test_a_reader_in_the_backbone_counts_and_one_that_was_taken_out_does_not(config_of):
    """YOLO-World's; once the words are built into the weights, the part that reads them is None."""
    model = load_model(read_config(config_of('yolox')), None, 'cpu')
    model.backbone.text_model = torch.nn.Embedding(3, 3)
    assert as_network(model).needs_words
    model.backbone.text_model = None
    assert not as_network(model).needs_words


def test_zero_shot_classifiers_carry_their_words(config_of):
    model = load_model(read_config(config_of('classifier')), None, 'cpu')
    model.text_backbone = torch.nn.Embedding(3, 3)
    assert as_network(model).needs_words
    model.text_prototype = 'imagenet'
    assert not as_network(model).needs_words


def test_words_reach_steps_of_the_pipeline(config_of):
    from mmengine.registry import TRANSFORMS

    seen = []

    @TRANSFORMS.register_module(force=True)
    class LookAtTexts:
        def __call__(self, results):
            seen.append({key: results[key] for key in ('text', 'texts', 'custom_entities')})
            return results

    cfg = Config(config_of('yolox').to_dict())
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='mmengine.LookAtTexts'))
    cfg.test_dataloader.dataset.pipeline[-1].meta_keys = ('ori_shape', 'img_shape', 'scale_factor', 'text')
    network = as_network(load_model(read_config(cfg), None, 'cpu'))
    prepared = network.prepare(np.zeros((20, 30, 3), np.uint8), text='a. b.')
    assert seen == [dict(text='a. b.', texts=[['a'], ['b'], [' ']], custom_entities=False)]
    (sample,) = prepared.batch['data_samples']
    assert sample.text == 'a. b.' and sample.custom_entities is False and sample.texts == [['a'], ['b'], [' ']]
