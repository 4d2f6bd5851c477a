"""Methods that detectors of several kinds share."""
