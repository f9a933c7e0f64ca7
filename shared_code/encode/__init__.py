"""What goes out: composed rows, in the formats of the answer."""
