"""Derivatives of each function, a rule for each: what `sigrnn.gradients` looks up."""
