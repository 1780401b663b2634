"""Methods of all models that exchange weights with other libraries, and `from_rtneural_json`, which makes a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from sigrnn.models.exchange import c, guitar, keras, keras_files, onnx, rtneural, torch
from sigrnn.models.files import CLASSES

if TYPE_CHECKING:
    from onnx import ModelProto

    from sigrnn.models.base import Model

__all__ = ["from_guitarml_json", "from_keras", "from_nam", "from_rtneural_json"]


class Exchange:
    """Weights to and from PyTorch, Keras, RTNeural and ONNX; models as C."""

    def to_torch_state_dict(self, prefixes: Sequence[str] | None = None) -> dict[str, Any]:
        """
        Return the parameters as PyTorch's modules load them.

        Recurrent layers are those of `torch.nn`, `Bidirectional` ones included; `Dense` is ``Linear``; `FIR` and
        `NonlinearFIR` are ``Conv1d``, to be run over ``nn.functional.pad(x, (n_taps - 1, 0))``. Activations are not part
        of a state_dict. Coefficients of recursive filters go by their own names.

        Parameters
        ----------
        prefixes : sequence of str, optional
            Name of the module for each layer. A name that comes again is the next layer of a stack (``num_layers``).
            By default the name is the place in the chain, as in ``nn.Sequential``, and nothing for a single layer.

        Returns
        -------
        dict of torch.Tensor
            For ``load_state_dict``.

        Raises
        ------
        ValueError
            If PyTorch has no such layer: an LSTM with peepholes, a GRU with ``reset_after=False``.
        """
        return torch.write(self, prefixes)

    def from_torch_state_dict(self, state_dict: Mapping[str, Any], prefixes: Sequence[str] | None = None) -> Self:
        """
        Take the parameters from PyTorch's modules.

        Parameters
        ----------
        state_dict : dict of torch.Tensor
            From ``module.state_dict()``, or what `json` or `numpy` have made of it. Layers are identified by their
            modules, stacked ones (``num_layers``) by their numbers.
        prefixes : sequence of str, optional
            Name of the module for each layer, as in `to_torch_state_dict`. By default modules are taken by name where
            their names are those given there, else in the order of the dict.

        Returns
        -------
        Model
            The model itself.

        Raises
        ------
        ValueError
            If layers or shapes do not fit; the model is left as it was.
        """
        model: Self = torch.read(self, state_dict, prefixes)
        return model

    def from_keras_weights(self, weights: Iterable[Any]) -> Self:
        """
        Take the parameters from a Keras model.

        Keras' ``SimpleRNN``, ``GRU`` (both conventions of ``reset_after``), ``LSTM``, ``Bidirectional`` of them,
        ``Dense``, and ``Conv1D`` with ``padding="causal"`` and one filter are known. Biases that Keras does not have
        become 0.

        Parameters
        ----------
        weights : list of ndarray, or list of such lists
            From ``model.get_weights()``; or ``[layer.get_weights() for layer in model.layers]``, which leaves no doubt
            about whose an array is.

        Returns
        -------
        Model
            The model itself.

        Raises
        ------
        ValueError
            If layers or shapes do not fit; the model is left as it was.
        """
        model: Self = keras.read(self, weights)
        return model

    def to_rtneural_json(self, path: Any = None) -> str:
        """
        Write the model as JSON for RTNeural, which runs it in an audio plug-in.

        `Dense`, `GRU`, `LSTM`, `FIR`, `NonlinearFIR`, `Chain` of them, and filters in ``Parallel(...,
        combine="concatenate")`` are known to it, with the activations tanh, relu and sigmoid.

        Parameters
        ----------
        path : str or path, optional
            File to write to.

        Returns
        -------
        str
            The JSON text.

        Raises
        ------
        ValueError
            If RTNeural has no such layer, or a parameter is not finite.
        """
        return rtneural.write(self, path)

    def from_rtneural_json(self, source: Any) -> Self:
        """
        Take the parameters from JSON for RTNeural that describes the same layers.

        Parameters
        ----------
        source : str, path, file or dict
            A path, the text, an open file, or what `json.load` gave.

        Returns
        -------
        Model
            The model itself.

        Raises
        ------
        ValueError
            If layers do not fit; the model is left as it was. `sigrnn.from_rtneural_json` makes a model that fits.
        """
        model: Self = rtneural.read(self, source)
        return model

    def to_onnx(self, path: Any = None) -> ModelProto:
        """
        Write the model as an ONNX graph.

        All layers, filters without feedback, and compositions of them are served; recursive filters have no counterpart.
        The graph computes in float32, from rest, with one input ``x`` (B, N, I) and one output ``y`` (B, N, O).

        Parameters
        ----------
        path : str or path, optional
            File to write to.

        Returns
        -------
        onnx.ModelProto
            The graph, checked.

        Raises
        ------
        ValueError
            If ONNX has no such layer.
        ImportError
            If the package onnx is not installed.
        """
        return onnx.write(self, path)

    def to_c(self, path: Any = None, name: str = "model") -> str:
        """
        Write the model as a C99 file, to be compiled into a plug-in or a controller.

        It has a struct for the state, ``model_state``, and ``model_reset(&state)`` and ``model_step(&state, x, y)``, which takes
        a sample of all inputs to one of all outputs. It computes in double precision, allocates nothing, and needs
        ``math.h`` alone.

        Parameters
        ----------
        path : str or path, optional
            File to write to.
        name : str, default 'model'
            What the names in the file begin with.

        Returns
        -------
        str
            The text.

        Raises
        ------
        ValueError
            If a parameter is not finite, or a model has no such form, as `Bidirectional` and classes of your own.

        Examples
        --------
        >>> import sigrnn
        >>> text = sigrnn.Chain(sigrnn.IIR(2), sigrnn.Dense(1, "tanh")).init(rng=0).to_c()
        >>> "void model_step(model_state *s, const double *x, double *y)" in text
        True
        """
        return c.write(self, path, name)


def from_rtneural_json(source: Any) -> Model:
    """
    Make a model from RTNeural's JSON.

    Parameters
    ----------
    source : str, path, file or dict
        A path, the text, an open file, or what `json.load` returned.

    Returns
    -------
    Model
        A layer, or a chain of them. A convolution is a filter without feedback, one with several outputs is a `Parallel`
        of such filters; an activation on its own is merged into the layer before it.

    Raises
    ------
    ValueError
        If the file is damaged, or has layers that do not exist here.

    See Also
    --------
    Model.to_rtneural_json : Writes such a file.
    load : Reads files of our own.

    Examples
    --------
    >>> import sigrnn
    >>> text = sigrnn.Chain(sigrnn.LSTM(8), sigrnn.Dense(1)).init(rng=0).to_rtneural_json()
    >>> sigrnn.from_rtneural_json(text)
    Chain(LSTM(8), Dense(1))
    """
    return rtneural.build(source, CLASSES)


def from_guitarml_json(source: Any) -> Model:
    """
    Make a model from JSON of GuitarML: Automated-GuitarAmpModelling, Proteus and compatible programs.

    Parameters
    ----------
    source : str, path, file or dict
        A path, the text, an open file, or what `json.load` returned.

    Returns
    -------
    Model
        A `Chain` of LSTM, GRU or RNN layers and a `Dense` one; in a `Residual`, or in parallel with a dense layer that passes
        the first input on, if the file has ``skip``.

    Raises
    ------
    ValueError
        If the file is damaged, or has another kind of layer.

    See Also
    --------
    from_nam, from_rtneural_json : Other formats.

    Examples
    --------
    >>> import sigrnn
    >>> data = {"unit_type": "LSTM", "input_size": 1, "hidden_size": 1, "skip": 1}
    >>> gates = [[0.1], [0.2], [0.3], [0.4]]
    >>> state = {"rec.weight_ih_l0": gates, "rec.weight_hh_l0": gates, "lin.weight": [[1.0]], "lin.bias": [0.0]}
    >>> state |= {"rec.bias_ih_l0": [0.0] * 4, "rec.bias_hh_l0": [0.0] * 4}
    >>> sigrnn.from_guitarml_json({"model_data": data, "state_dict": state})
    Residual(Chain(LSTM(1), Dense(1)))
    """
    return guitar.from_guitarml(source, CLASSES)


def from_nam(source: Any) -> Model:
    """
    Make a model from a `.nam` file of Neural Amp Modeler with the architecture LSTM.

    Parameters
    ----------
    source : str, path, file or dict
        A path, the text, an open file, or what `json.load` returned.

    Returns
    -------
    Model
        A `Chain` of LSTM layers with ``initial=True``, as the file has the state to start from, and ``Dense(1)``.

    Raises
    ------
    ValueError
        If the file is damaged, or has another architecture.

    See Also
    --------
    from_guitarml_json, from_rtneural_json : Other formats.

    Examples
    --------
    >>> import sigrnn
    >>> config = {"input_size": 1, "hidden_size": 1, "num_layers": 1}
    >>> sigrnn.from_nam({"architecture": "LSTM", "config": config, "weights": [0.1] * 16})
    Chain(LSTM(1, initial=True), Dense(1))
    """
    return guitar.from_nam(source, CLASSES)


def from_keras(path: Any) -> Model:
    """
    Make a model from a Keras file.

    Parameters
    ----------
    path : str or path
        A ``.keras`` archive, or an HDF5 file of a whole model. h5py reads it: ``pip install sigrnn[keras]``.

    Returns
    -------
    Model
        A layer, or a chain of them: ``SimpleRNN``, ``GRU``, ``LSTM``, ``Bidirectional``, ``Dense``, causal ``Conv1D`` (a
        `Parallel` of filters if it has several), ``PReLU`` (a `PiecewiseLinear`), ``BatchNormalization`` as in inference and
        activations (a `Dense`). It returns all samples, also where ``return_sequences`` is False.

    Raises
    ------
    ValueError
        If the file is damaged, has layers that do not exist here, or layers that are not in a row.
    ImportError
        If h5py is not installed.

    See Also
    --------
    Model.from_keras_weights : Weights of a model that you have made.

    Examples
    --------
    >>> import sigrnn
    >>> sigrnn.from_keras("nothing.keras")
    Traceback (most recent call last):
    FileNotFoundError: no such file: nothing.keras
    """
    return keras_files.read(path, CLASSES)
