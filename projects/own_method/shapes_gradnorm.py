"""The shapes detector, with a module of one's own imported as soon as the config is read."""

_base_ = '../shapes/configs/shapes_rtmdet.py'

custom_imports = dict(imports=['own_method'], allow_failed_imports=False)
