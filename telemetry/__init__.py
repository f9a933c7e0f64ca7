"""What the service tells of itself: spans, metrics, and where they go."""
