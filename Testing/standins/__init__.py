"""What stands in for the Slicer application in the tests of the window. Passing here is not passing in Slicer.

Real: Qt widgets, signals, event loop and `.ui` loading (PySide6, offscreen), MRML (slicer-core), the worker processes,
`slicer.util` (the wheel carries Slicer's own).

Imitated, each as small as the module needs it:

- PythonQt's manners over PySide6 (`pythonqt`): properties are attributes, unknown attributes and keyword arguments
  fail, a connection to a signal that does not exist fails (in Slicer it returns False and nothing happens), exceptions
  in slots fail the test (in Slicer they are printed), lists come back as tuples, no class hierarchy for `isinstance`.
- the widgets of CTK and Slicer that `MedSeg.ui` names (`widgets`), with the properties and signals they really have.
- the application object, module factory and life cycle, parameter node wrapper, translation (`application`, `module`,
  `parameter_node`), dialogs that are answered by the test (`dialogs`), package installation by a real pip (`packages`).

Not imitated: views and rendering, the module's place in the main window, the real qMRML widgets' looks, PythonQt's
ownership of objects without a parent, its coercion of numbers, Slicer's I/O and extension managers, DICOM.
"""
