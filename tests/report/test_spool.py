from __future__ import annotations

import io

from mmlens.report.spool import Spool


def test_bytes_come_back_in_order_under_their_numbers():
    spool = Spool()
    assert [spool(data) for data in (b'one', b'\xff\x00')] == [0, 1]
    for _ in range(2):  # written as often as asked
        held = io.BytesIO()
        spool.copy_to(held)
        assert held.getvalue() == (
            b'<script type="text/plain" id="b0">b25l</script>\n<script type="text/plain" id="b1">/wA=</script>\n'
        )
    assert spool(b'more') == 2 == spool.number - 1
