"""What a training was worth: one HTML file with curves, figures for each patient, intervals, and pictures."""
