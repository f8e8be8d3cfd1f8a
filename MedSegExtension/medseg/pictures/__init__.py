"""Pictures and the HTML report of a run, made with numpy and matplotlib's software renderer: no OpenGL, no screen."""

from .duct_report import write_duct_report, write_tree_picture
from .figures import save_overview, save_slices
from .report import write_report

__all__ = ["save_overview", "save_slices", "write_duct_report", "write_report", "write_tree_picture"]
