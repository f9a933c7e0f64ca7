"""What goes out: composed rows, PNG."""
