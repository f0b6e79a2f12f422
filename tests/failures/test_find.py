"""From a detector and annotated pictures to a report."""

import json

import cv2
import numpy as np
import pytest

from mmlens import find_errors
from mmlens.errors import MmlensError, PictureError
from mmlens.evaluation import Case, bare_case
from mmlens.failures.listing import errors_of
from mmlens.metrics import error_costs


def test_counts_and_costs_are_those_of_all_pictures(yolox, case):
    report = find_errors(yolox, cases=[case, case], score_thr=0.0)
    errors, failures = errors_of(yolox, case, 0.0)
    costs = error_costs([errors, errors])
    assert report.counts == {kind: 2 * number for kind, number in errors.counts().items()}
    assert report.costs.of_type == costs.of_type and report.pictures == 2 and not report.broken
    assert len(report) == 2 * len(failures)
    wrong = [n for n, kind in enumerate(errors.types) if kind]
    told = [each.cost for each in report.failures[: len(failures)]]
    assert told == pytest.approx([costs.of_detections[0][n] for n in wrong] + costs.of_missed[0])


def test_an_error_leads_back_to_its_picture(yolox, case, noise):
    other = Case('other', lambda: (noise[:, ::-1].copy(), case.read()[1]))
    report = find_errors(yolox, cases=[case, other], score_thr=0.0)
    last = report.failures[-1]
    assert last.picture == 'other'
    np.testing.assert_array_equal(report.explain(last).picture, noise[:, ::-1])


def test_broken_pictures_are_gone_past(yolox, case, tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'no picture')
    broken = Case('broken', lambda: (tmp_path / 'broken.jpg', case.read()[1]))

    def fails():
        raise KeyError('instances')

    report = find_errors(yolox, cases=[broken, case, Case('odd', fails)], score_thr=0.0)
    assert report.pictures == 1 and len(report.broken) == 2
    assert 'broken.jpg' in report.broken[0] and report.broken[1].startswith('odd: KeyError')
    assert all(each.case == 1 for each in report.failures)
    with pytest.raises(PictureError, match=r'broken\.jpg'):
        find_errors(yolox, cases=[broken])
    with pytest.raises(PictureError, match='has no annotations'):
        find_errors(yolox, cases=[bare_case('bare', np.zeros((8, 8, 3), np.uint8))])


def test_work_that_is_ended_early_keeps_what_is_done(yolox, case):
    report = find_errors(yolox, cases=[case] * 3, score_thr=0.0, progress=lambda done, total: done < 2)
    assert report.unfinished and report.pictures == 2
    assert report.notes == ['Ended early: these are the errors of 2 pictures of 3.']
    whole = find_errors(yolox, cases=[case], score_thr=0.0, progress=lambda done, total: False)
    assert not whole.unfinished


def test_files_of_coco_and_the_configs_own_set(yolox, yolox_config, noise, truth, tmp_path):
    import copy

    from mmlens.models.detector import Detector

    cv2.imwrite(str(tmp_path / 'a.png'), noise)
    names = ('cup', 'fork', 'knife')
    objects = [
        dict(id=n, image_id=7, category_id=int(label) + 1, bbox=[*box[:2], *(box[2:] - box[:2])], area=9, iscrowd=0)
        for n, (box, label) in enumerate(zip(truth.boxes, truth.labels))
    ]
    content = dict(
        images=[dict(id=7, file_name='a.png', height=90, width=128)],
        annotations=objects,
        categories=[dict(id=n + 1, name=name) for n, name in enumerate(names)],
    )
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    by_file = find_errors(yolox, annotations=tmp_path / 'ann.json', images=tmp_path, score_thr=0.0)
    config = copy.deepcopy(yolox.cfg)
    config.test_dataloader.dataset.update(
        data_root=str(tmp_path), ann_file='ann.json', data_prefix=dict(img=''), test_mode=True
    )
    own = find_errors(Detector(yolox.model, config, yolox.dataset_meta), score_thr=0.0)
    assert by_file.counts == own.counts and by_file.counts['classification'] >= 1
    with pytest.raises(MmlensError, match='`annotations` needs `images`'):
        find_errors(yolox, annotations=tmp_path / 'ann.json')
    with pytest.raises(MmlensError, match='name their `annotations` too'):
        find_errors(yolox, images=tmp_path)
