"""All folds by one command: drawn by patient, trained as processes, judged on what no fold was trained on."""

from __future__ import annotations
