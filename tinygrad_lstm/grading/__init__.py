"""A class of derivations: each submission judged apart, scored by a rubric, and told where."""
