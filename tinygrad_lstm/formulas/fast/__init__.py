"""Fast programs: the schedule of a derivation, and its program in NumPy."""
