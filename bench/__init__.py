"""Benchmarks: a peer and this project side by side in one run, as ratios."""
