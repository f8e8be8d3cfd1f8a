"""A file dropped on the panel becomes the model."""

from __future__ import annotations

import qt


class ModelDrop(qt.QObject):
    """Event filter; ``onPath(path)`` is called with the first file or folder that is dropped."""

    def __init__(self, widget, onPath) -> None:
        qt.QObject.__init__(self, widget)
        self._onPath = onPath
        widget.setAcceptDrops(True)
        widget.installEventFilter(self)

    def eventFilter(self, watched, event) -> bool:
        kind = event.type()
        if kind not in (qt.QEvent.DragEnter, qt.QEvent.DragMove, qt.QEvent.Drop):
            return False
        paths = [url.toLocalFile() for url in event.mimeData().urls()]
        if not paths or not paths[0]:
            return False
        event.acceptProposedAction()
        if kind == qt.QEvent.Drop:
            self._onPath(paths[0])
        return True
