"""The HTTP edge: the retired Segment API, and the pages beside it."""
