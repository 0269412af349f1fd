"""Files: written whole, read with suspicion, and a cache between runs."""
