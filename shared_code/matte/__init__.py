"""Which pixels are foreground: network, refinement, edge colours."""
