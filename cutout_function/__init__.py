"""The blob edge: a cut-out for every picture that arrives in the watched container."""
