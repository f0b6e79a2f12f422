"""The front door for classifiers: from a model and a picture to a map for each class."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Generator, List, Optional, Sequence, Union, overload

import numpy as np
import torch
from torch import Tensor, nn

from ..attribution.attribute import FLAT, Attribution
from ..attribution.gradcam_engine import guided_gradients
from ..attribution.methods import EngineMethod, Method, OnePassMethod, Progress, get_method
from ..attribution.smoothing import Noise, augmented_mean
from ..errors import MethodError, MmlensError, noted
from ..models.inputs import Picture
from ..results.classes import ClassExplanation, ClassMap
from ..results.later import later
from .class_targets import Classes, ClassTargets
from .job import Attributions, Job, check_signed
from .many import Pictures, answers, check_batch_size, one_or_each
from .networks import NetworkLike, installed_versions, open_classifier
from .normalise import stretch


@overload
def explain_classes(model: NetworkLike, picture: Picture, **options: Any) -> ClassExplanation: ...


@overload
def explain_classes(
    model: NetworkLike, picture: Pictures, **options: Any
) -> Generator[ClassExplanation, None, None]: ...


@noted  # type: ignore[misc]  # the names of options are here alone
def explain_classes(
    model: NetworkLike,
    picture: Union[Picture, Pictures],
    *,
    checkpoint: Optional[Union[str, Path]] = None,
    device: Optional[str] = None,
    cfg_options: Optional[Dict[str, Any]] = None,
    family: Optional[str] = None,
    task: Optional[str] = None,
    method: str = 'gradcam',
    layers: Optional[Sequence[str]] = None,
    fusion: Optional[str] = None,
    classes: Optional[Classes] = None,
    against: Optional[Classes] = None,
    signed: bool = False,
    eigen_smooth: bool = False,
    aug_smooth: bool = False,
    smooth_grad: int = 0,
    smooth_noise: float = 0.1,
    num_extra_tokens: Optional[int] = None,
    guided_backprop: bool = False,
    method_options: Optional[Dict[str, Any]] = None,
    progress: Optional[Progress] = None,
    categories: Optional[Classes] = None,
    batch_size: int = 1,
) -> Any:
    """Explain classes of a picture, each by its own map.

    The maps are those of the published methods (channel weights averaged over the map, linear
    interpolation), laid over the original picture. The model is given back as it was.

    Args:
        model: A config, with ``checkpoint`` and ``device``; a model of mmpretrain that carries its
            config; or what :func:`load_classifier` returned.
        picture: See :func:`mmlens.explain_boxes`. Or several.
        checkpoint, device, cfg_options: See :func:`open_network`; only for a config.
        family: See :func:`open_network`.
        task: Which head is asked, of a model with several.
        method: Name of a method, case-insensitive; those of the installed pytorch-grad-cam too.
        layers: Names of the layers to look at, or ``'auto'``; see :func:`mmlens.explain_boxes`. Defaults to the one
            that :func:`~mmlens.attribution.default_layer.find_default_layer` finds.
        fusion: How the maps of several layers become one: ``'mean'`` (the default), or another of
            :func:`mmlens.available_fusions`.
        classes: Classes to explain, by name or index. Defaults to the one predicted.
        against: Explain why it is this class and not another: its logit minus the other's. A class by name or index;
            ``'auto'``, the other class that scores highest; or several, weighted by how likely they are as in
            Finer-CAM. A class that is among these is contrasted with the others.
        signed: Compute what speaks against each class too; with ``against``, methods of gradients always do.
        eigen_smooth: Take the first principal component of the weighted activations.
        aug_smooth: Take the mean over the picture mirrored and brightened: six times the work.
        smooth_grad, smooth_noise: See :func:`mmlens.explain_boxes`.
        num_extra_tokens: How many tokens stand before those of the picture. Defaults to the
            backbone's own number.
        guided_backprop: Compute guided gradients too, which the drawing shows times the map. They hardly
            depend on the class or on what the network has learned (Adebayo et al. 2018).
        method_options, progress: See :func:`mmlens.explain_boxes`.
        categories: Deprecated name of ``classes``.
        batch_size: See :func:`mmlens.explain_boxes`. Not with ``against``, ``eigen_smooth`` and ``aug_smooth``, where
            pictures go one by one.

    Returns:
        The classes with raw and normalised maps, in picture coordinates.
        For several pictures a generator of these; see :func:`mmlens.explain_boxes`.

    Raises:
        MmlensError: With one sentence on what is wrong.

    Example:
        >>> from mmlens import explain_classes
        >>> found = explain_classes('config.py', 'dog.jpg', checkpoint='weights.pth', classes=['dog', 'cat'])
        >>> found[0].class_name, found[0].score, found[0].normalised.shape
        ('dog', 0.86, (576, 768))
        >>> cv2.imwrite('dog_classes.png', found.draw())
    """
    if categories is not None:
        warnings.warn('`categories` is now called `classes`.', DeprecationWarning, stacklevel=2)
        classes = categories if classes is None else classes
    classifier = open_classifier(model, checkpoint, device=device, cfg_options=cfg_options, family=family).of_task(task)
    if num_extra_tokens is not None and num_extra_tokens < 0:
        raise MmlensError(f'`num_extra_tokens` must be 0 or more, not {num_extra_tokens}.')
    check_batch_size(batch_size)
    chosen = get_method(method)
    if signed:
        check_signed(chosen)
    if guided_backprop and against is not None:
        raise MmlensError('`guided_backprop` follows the logit of one class: leave out `against`.')

    def ask(picture: Picture) -> Job:
        return Job.settle(
            ClassTargets(classifier, picture, classes, num_extra_tokens, against),
            chosen,
            method_options,
            layers,
            fusion,
            progress=progress,
            eigen_smooth=eigen_smooth,
            both_ways=signed or against is not None,
            noise=Noise(smooth_grad, smooth_noise) if smooth_grad else None,
        )

    def answer(job: Job, explained: Attributions) -> ClassExplanation:
        targets = job.targets
        assert isinstance(targets, ClassTargets)
        prepared = targets.prepared
        result = ClassExplanation(
            picture=prepared.picture,
            classes=[
                _class_map(targets, position, one, aug_smooth or isinstance(chosen, EngineMethod))
                for position, one in enumerate(explained.maps)
            ],
            covered=prepared.geometry.covered(),
            to_input=prepared.geometry.matrix,
            input_size=prepared.input_size,
            layers=tuple(job.layers),
            method=chosen.name,
            versions=dict(installed_versions()),
            unfinished=explained.unfinished,
            fusion=job.fusion,
        )
        if guided_backprop:
            _add_guided(result, targets)
        result.notes += [*classifier.notes, *prepared.notes, *targets.notes, *explained.notes, *_notes(result, chosen)]
        return result

    def augmented(picture: Picture) -> ClassExplanation:
        job = ask(picture)
        return answer(job, _augmented(job))

    if aug_smooth:
        return one_or_each(classifier, picture, augmented)
    return answers(classifier, picture, ask, answer, batch_size)


def _augmented(job: Job) -> Attributions:
    """The mean over the picture mirrored and brightened; each map is scaled to [0, 1] first, if it is not yet.

    Raises:
        MethodError: If the passes over one input are to be kept, and those of several would be.
    """
    if job.options.get('resume'):
        raise MethodError('`resume` keeps the passes over one input, and `aug_smooth` looks at six: leave out one.')
    targets = job.targets
    assert isinstance(targets, ClassTargets)
    targets.ask()
    is_scaled = isinstance(job.method, EngineMethod)
    last = Attributions()

    def explain(inputs: Tensor) -> Optional[Tensor]:
        nonlocal last
        if last.unfinished:
            return None
        found = replace(job, targets=targets.on(inputs)).run()
        whole, last = last, found
        if found.unfinished and whole.maps:
            return None  # what a part of the passes found is not worth as much as the rest
        maps = [one.raw for one in found.maps] + [one.counter for one in found.maps if one.counter is not None]
        return torch.stack(maps if is_scaled else [stretch(each) for each in maps])

    means = augmented_mean(explain, targets.prepared.batch['inputs'])
    blanks = [None if bool(mean.any()) else one.blank for mean, one in zip(means, last.maps)]
    notes = ['Ended early: the maps are those so far.'] if last.unfinished else last.notes
    counters = [*means[len(blanks) :]] or [None] * len(blanks)
    maps = [Attribution(mean, blank, counter=counter) for mean, blank, counter in zip(means, blanks, counters)]
    return Attributions(maps, notes, last.passes, last.unfinished)


def _class_map(targets: ClassTargets, position: int, found: Attribution, is_scaled: bool) -> ClassMap:
    def lay(values: Tensor) -> np.ndarray:
        return later(targets.prepared.geometry.map_to_picture, values.detach().float().cpu().numpy())

    def normal(values: Tensor) -> Tensor:
        return values if is_scaled else stretch(values)

    classifier, logits, category = targets.network, targets.logits, targets.categories[position]
    normalised = normal(found.raw)
    flat = None if bool(normalised.any()) else FLAT
    return ClassMap(
        category=category,
        class_name=classifier.class_name(category),
        score=float(classifier.scores(logits)[category]),
        logit=float(logits[category]),
        rank=int((logits > logits[category]).sum()),
        raw=lay(found.raw),
        normalised=lay(normalised),
        blank=found.blank or flat,
        against=targets.name_against(position),
        counter=None if found.counter is None else lay(normal(found.counter)),
    )


def _add_guided(result: ClassExplanation, targets: ClassTargets) -> None:
    model, geometry = targets.network.model, targets.prepared.geometry
    is_rgb = bool(getattr(model.data_preprocessor, 'to_rgb', False))
    for each in result:
        gradient = guided_gradients(model, targets.network.logits_of, targets.prepared.batch['inputs'], each.category)
        channels = [geometry.map_to_picture(one) for one in gradient.cpu().numpy()]
        each.guided = np.stack(channels[::-1] if is_rgb else channels, 2)
    if not any(isinstance(module, nn.ReLU) for module in model.modules()):
        result.notes.append('The network has no ReLU to guide: the fine picture shows plain gradients.')


def _notes(result: ClassExplanation, method: Method) -> List[str]:
    notes = []
    if isinstance(method, OnePassMethod) and not method.uses_gradients:
        notes.append(f'{method.name} shows what the layer reacts to; its map is the same for every class.')
    if isinstance(method, EngineMethod) and not method.uses_layers:
        notes.append(f'{method.name} finds its layers by itself: the convolutions and batch norms that have a bias.')
    notes.extend(
        f'The map of {each.class_name} {each.score:.2f} is blank: {each.blank}.' for each in result if each.blank
    )
    return notes
