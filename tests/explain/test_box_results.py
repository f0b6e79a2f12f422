import numpy as np

from mmlens.attribution.methods import get_method
from mmlens.explain.box_results import box_explanation
from mmlens.explain.box_selection import Selection
from mmlens.explain.job import Attributions, Job


def job_of(yolox, picture, score_thr=0.0):
    targets = Selection(yolox, score_thr, None, None, 2).targets(picture, 'score', None, None, {})
    return targets, Job.settle(targets, get_method('gradcam'), None, ['neck'])


def test_a_result_has_a_map_for_each_box_on_the_pictures_grid(yolox, picture):
    targets, job = job_of(yolox, picture)
    explained = job.run()
    found = box_explanation(targets, job, explained, 'score', 0.0, False)
    assert [box.index for box in found] == list(targets.ranks) and found.layers == ('neck',)
    assert found.method == 'gradcam' and found.fusion == 'sum'
    for box, one in zip(found, explained.maps):
        np.testing.assert_array_equal(box.raw, targets.prepared.geometry.map_to_picture(one.raw.numpy()))


def test_without_boxes_it_says_why(yolox, picture):
    targets, job = job_of(yolox, picture, score_thr=1.0)
    found = box_explanation(targets, job, job.run(), 'score', 1.0, False)
    assert len(found) == 0 and 'scores 1.0 or more' in found.notes[-1]
    assert not Attributions().maps
