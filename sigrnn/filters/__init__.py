"""Linear and nonlinear filters of NumPy arrays: what `scipy.signal` has, `nlfilter`, and streams of them."""
