"""Pictures: of what the tape recorded, of the network and of its adjoint."""
