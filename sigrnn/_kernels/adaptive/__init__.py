"""Rules and loops of adaptive filters."""
