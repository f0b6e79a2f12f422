"""The shapes detector, importing your own module as soon as the config is read."""

_base_ = '../shapes/configs/shapes_rtmdet.py'

custom_imports = dict(imports=['own_method'], allow_failed_imports=False)
