"""Compiled: the derivation as native code."""
