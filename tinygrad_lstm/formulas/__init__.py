"""Formulas: one reader of a network, and the derivations and words made with it."""
