"""What all kernels are made of: vectors, compilation and its cache, exponentials, activations."""
