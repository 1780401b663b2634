"""Linear and nonlinear filters of NumPy arrays: functions of `scipy.signal`, `nlfilter`, and streams."""
