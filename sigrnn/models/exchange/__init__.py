"""Weights of models in the forms of other libraries: PyTorch, Keras, RTNeural, ONNX."""
