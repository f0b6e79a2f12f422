"""What is asked of one picture, whatever the family."""

import copy

import pytest

from mmlens.attribution.methods import get_method
from mmlens.explain.targets import Targets


def test_a_family_says_what_is_its_own(yolox, picture):
    targets = Targets(yolox, picture)
    assert targets.spatial and targets.extra_tokens is None
    known = [['of a'], ['of b']]
    assert targets.as_in_runs(known, 1) is known
    drise, ablation = get_method('drise'), get_method('ablationcam')
    assert targets.why_nothing(drise, []) == (
        'drise finds no part of the picture that matters; try more `num_masks` or another method'
    )
    assert targets.why_nothing(get_method('precisionsearch'), []) == (
        'precisionsearch finds no part of the picture that matters; try more `passes` or another method'
    )
    assert targets.why_nothing(ablation, ['neck', 'backbone']) == (
        "ablationcam is nowhere positive at 'neck', 'backbone'; choose another layer or method"
    )
    for ask in (
        targets.default_layers,
        lambda: targets.scalars(None),
        lambda: targets.run(1),
        lambda: targets.runs(None, ablation, {}),
        lambda: targets.by_engine(None, {}, False),
    ):
        with pytest.raises(NotImplementedError):
            ask()


def test_the_picture_is_prepared_once_and_when_it_is_needed(yolox, picture, monkeypatch):
    calls = []
    patched = copy.copy(yolox)
    monkeypatch.setattr(
        patched, 'prepare', lambda *given, **words: calls.append(words) or yolox.prepare(*given, **words)
    )
    targets = Targets(patched, picture)
    assert calls == []
    assert targets.prepared is targets.prepared and len(calls) == 1
