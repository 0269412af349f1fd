"""Files: written whole, read with suspicion, kept from run to run."""
