"""Style of the pictures that the package draws."""
