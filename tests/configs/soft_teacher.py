"""A semi-supervised detector: a teacher and a student, both the two-stage detector."""

_base_ = ['faster_rcnn.py']
detector = _base_.model
model = dict(
    _delete_=True,
    type='SoftTeacher',
    detector=detector,
    data_preprocessor=dict(type='MultiBranchDataPreprocessor', data_preprocessor=detector.pop('data_preprocessor')),
    semi_train_cfg=dict(freeze_teacher=True),
    semi_test_cfg=dict(predict_on='teacher'),
)
