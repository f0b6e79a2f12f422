"""The examples in the docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest
import torch
from torch import nn

import mmlens.attribution
from mmlens.attribution import fusion
from mmlens.attribution.graph import live_graph
from mmlens.attribution.methods import registry

MODULES = [module.name for module in pkgutil.walk_packages(mmlens.attribution.__path__, 'mmlens.attribution.')]


@pytest.mark.parametrize('name', MODULES)
def test_examples(name, monkeypatch):
    monkeypatch.setattr(registry, '_METHODS', dict(registry._METHODS))
    monkeypatch.setattr(fusion, '_FUSIONS', dict(fusion._FUSIONS))
    model = nn.Sequential()
    model.add_module('neck', nn.Conv2d(3, 2, 1))
    known = {'torch': torch, 'model': model, 'picture': torch.rand(1, 3, 4, 4), 'live_graph': live_graph}
    failed, _ = doctest.testmod(importlib.import_module(name), extraglobs=known)
    assert failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = [t.name for name in MODULES for t in finder.find(importlib.import_module(name)) if t.examples]
    assert {name.rsplit('.', 1)[-1] for name in found} >= {'Tap', 'parse_layer_name', 'register_method', 'token_grid'}
