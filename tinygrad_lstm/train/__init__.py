"""Training that shows its work: what a gradient is made of, and how it changes.

Knows the networks, the updates and the pictures; nothing of the command line.
"""
