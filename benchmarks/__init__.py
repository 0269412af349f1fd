"""How fast the tape is, beside a backward pass written by hand and beside its peers."""
