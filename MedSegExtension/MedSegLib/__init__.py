"""The Slicer side of MedSeg: scene in, worker between, scene out. May import slicer, qt and vtk; never torch."""
