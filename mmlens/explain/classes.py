"""The front door for classifiers: from a model and a picture to a map for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor, nn

from ..attribution.gradcam_engine import guided_gradients, multi_pass_method
from ..attribution.layers import resolve_layers
from ..attribution.methods import Method, PassMethod, Progress, available_methods, get_method, pass_method
from ..attribution.tap import Tap
from ..compat.gradcam import looks_everywhere
from ..errors import LayerError, MmlensError
from ..models.classifier import Classifier
from ..models.inputs import Picture
from ..models.network import Prepared
from ..results.classes import ClassExplanation, ClassMap
from .class_job import ClassJob, Found, default_layer
from .layers import check_black_box, named_layers
from .networks import ClassifierLike, as_classifier, installed_versions


def explain_classes(
    model: ClassifierLike,
    picture: Picture,
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    method: str = 'gradcam',
    layers: Optional[Sequence[str]] = None,
    categories: Optional[Union[str, int, Sequence[Union[str, int]]]] = None,
    eigen_smooth: bool = False,
    aug_smooth: bool = False,
    num_extra_tokens: Optional[int] = None,
    guided_backprop: bool = False,
    method_options: Optional[Dict[str, Any]] = None,
    progress: Optional[Progress] = None,
) -> ClassExplanation:
    """Explain classes of a picture, each by its own map.

    The maps are those of the published methods (channel weights averaged over the map, linear
    interpolation), laid over the original picture. The model is given back as it was.

    Args:
        model: A config, with ``checkpoint`` and ``device``; a model of mmpretrain that carries its
            config; or what :func:`load_classifier` returned.
        picture: File name, or (H, W, 3) uint8 BGR.
        checkpoint, device, cfg_options: See :func:`load_classifier`; only for a config.
        method: Name of a method, any case; those of the installed pytorch-grad-cam too.
        layers: Names of the layers to look at; the mean of their maps is shown. Defaults to the one
            that :func:`~mmlens.attribution.default_layer.find_default_layer` finds.
        categories: Classes to explain, by name or index. Defaults to the one predicted.
        eigen_smooth: Take the first principal component of the weighted activations.
        aug_smooth: Take the mean over the picture mirrored and brightened: six times the work.
        num_extra_tokens: How many tokens stand before those of the picture. Defaults to the
            backbone's own number.
        guided_backprop: Compute guided gradients too, which the drawing shows times the map. They hardly
            depend on the class or on what the network has learned (Adebayo et al. 2018).
        method_options, progress: See :func:`mmlens.explain_boxes`.

    Returns:
        The classes with raw and normalised maps, in picture coordinates.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import explain_classes
        >>> found = explain_classes('config.py', 'dog.jpg', checkpoint='weights.pth', categories=['dog', 'cat'])
        >>> found[0].class_name, found[0].score, found[0].normalised.shape
        ('dog', 0.86, (576, 768))
        >>> cv2.imwrite('dog_classes.png', found.draw())
    """
    classifier = as_classifier(model, checkpoint, device, cfg_options)
    if num_extra_tokens is not None and num_extra_tokens < 0:
        raise MmlensError(f'num_extra_tokens must be 0 or more, not {num_extra_tokens}.')
    how = _method(method)
    options = how.complete(method_options) if not isinstance(how, type) else {}
    everywhere = looks_everywhere(how) if isinstance(how, type) else isinstance(how, PassMethod) and not how.uses_layers
    if isinstance(how, PassMethod) and everywhere:
        check_black_box(how, layers)
    elif everywhere and layers is not None:
        raise LayerError(f'{method} finds its layers by itself: name none.')
    with Tap(classifier.model, {}), torch.no_grad():
        prepared = classifier.prepare(picture)
        logits = classifier.logits(prepared)[0].float()
    names = () if everywhere else _layer_names(layers, classifier, prepared)
    wanted = classifier.categories(categories, logits)
    extra = classifier.extra_tokens if num_extra_tokens is None else num_extra_tokens
    tapped = resolve_layers(classifier.model, names)
    job = ClassJob(classifier, prepared, tapped, extra, eigen_smooth, aug_smooth)

    if isinstance(how, Method):
        found = job.by_one_pass(how, wanted)
    elif isinstance(how, PassMethod):
        found = job.by_own_passes(how, options, wanted, progress)
    else:
        found = [job.by_passes(how, each) for each in wanted]
    result = ClassExplanation(
        picture=prepared.picture,
        classes=[_class_map(classifier, prepared, logits, each) for each in found],
        covered=prepared.geometry.covered(),
        to_input=prepared.geometry.matrix,
        input_size=prepared.input_size,
        layers=tuple(tapped),
        method=method.lower(),
        versions=dict(installed_versions()),
        unfinished=job.unfinished,
    )
    if guided_backprop:
        _add_guided(result, classifier, prepared)
    result.notes += job.notes + _notes(result, how)
    return result


def _method(name: str) -> Union[Method, PassMethod, type]:
    """The method of that name: of mmlens or registered, else one that needs pytorch-grad-cam's own engine."""
    engine = None if name.lower() in available_methods() else multi_pass_method(name)
    return engine or pass_method(name) or get_method(name)


def _layer_names(layers: Optional[Sequence[str]], classifier: Classifier, prepared: Prepared) -> Tuple[str, ...]:
    if layers is None:
        return (default_layer(classifier, prepared),)
    return named_layers(layers)


def _class_map(classifier: Classifier, prepared: Prepared, logits: Tensor, found: Found) -> ClassMap:
    def lay(values: Tensor) -> np.ndarray:
        return prepared.geometry.map_to_picture(values.detach().float().cpu().numpy())

    return ClassMap(
        category=found.category,
        class_name=classifier.class_name(found.category),
        score=float(classifier.scores(logits)[found.category]),
        logit=float(logits[found.category]),
        rank=int((logits > logits[found.category]).sum()),
        raw=lay(found.raw),
        normalised=lay(found.normalised),
        blank=found.blank,
    )


def _add_guided(result: ClassExplanation, classifier: Classifier, prepared: Prepared) -> None:
    is_rgb = bool(getattr(classifier.model.data_preprocessor, 'to_rgb', False))
    for each in result:
        gradient = guided_gradients(classifier.model, classifier.logits_of, prepared.batch['inputs'], each.category)
        channels = [prepared.geometry.map_to_picture(one) for one in gradient.cpu().numpy()]
        each.guided = np.stack(channels[::-1] if is_rgb else channels, 2)
    if not any(isinstance(module, nn.ReLU) for module in classifier.model.modules()):
        result.notes.append('The network has no ReLU to guide: the fine picture shows plain gradients.')


def _notes(result: ClassExplanation, how: Union[Method, PassMethod, type]) -> List[str]:
    notes = []
    if isinstance(how, Method) and not how.uses_gradients:
        notes.append(f'{how.name} shows what the layer reacts to; its map is the same for every class.')
    if result.unfinished:
        notes.append('Ended early: the maps are those so far.')
    if not result.layers and isinstance(how, type):
        notes.append(f'{result.method} finds its layers by itself: the convolutions and batch norms that have a bias.')
    notes.extend(
        f'The map of {each.class_name} {each.score:.2f} is blank: {each.blank}.' for each in result if each.blank
    )
    return notes
