"""The tape: symbols, the table of primitives, Tensors, what records them and what walks back."""
