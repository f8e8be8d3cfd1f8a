"""The panel is longer than its place: what a person opens, or what has come, is scrolled into sight."""

from __future__ import annotations

import qt


def bringIntoSight(widget) -> None:
    """Scroll to a part of the panel once it is laid out; of one that is taller than its place, to the top."""
    area = widget.parent()
    while area is not None and not area.inherits("QScrollArea"):
        area = area.parent()
    if area is None:
        return

    def scroll() -> None:
        if widget.height > area.height:
            area.verticalScrollBar().setValue(widget.mapTo(area.widget(), qt.QPoint(0, 0)).y())
        else:
            area.ensureWidgetVisible(widget)

    qt.QTimer.singleShot(0, scroll)


def followOpening(box) -> None:
    """Bring a collapsible box into sight whenever it is opened."""
    box.connect("contentsCollapsed(bool)", lambda collapsed: None if collapsed else bringIntoSight(box))
