"""Language detectors, one file per library."""
