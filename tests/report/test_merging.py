from __future__ import annotations

from mmlens.report.merging import find_item, merge_items


def item(key, name='dog', box=(0, 0, 100, 100), method='a', **more):
    return dict(key=key, name=name, box=None if box is None else list(box), maps=[dict(method=method)], **more)


def test_the_same_box_gets_another_map():
    items = [item('0'), item('1', box=(0, 0, 50, 100))]
    merge_items(items, [item('0', box=(0.5, 0, 100, 100), method='b', told='words'), item('1', 'cat', method='b')])
    assert [each['key'] for each in items] == ['0', '1', '1-2']  # the cat's key was taken
    assert [each['method'] for each in items[0]['maps']] == ['a', 'b'] and items[0]['told'] == 'words'
    assert len(items[1]['maps']) == 1


def test_no_box_gets_two_maps_of_a_method():
    items = [item('0')]
    merge_items(items, [item('0'), item('1')])
    assert [len(each['maps']) for each in items] == [1, 1, 1]


def test_classes_are_told_by_their_names_and_flat_boxes_by_their_edges():
    items = [item('0', box=None), item('1', 'cat', box=(5, 5, 5, 9))]
    assert find_item(items, 'dog', None) is items[0] and find_item(items, 'cow', None) is None
    assert find_item(items, 'cat', [5, 5, 5, 9]) is items[1] and find_item(items, 'cat', [5, 5, 6, 9]) is None
