"""StreamSpace for JupyterHub: the control plane, and the vocabulary that all parts share."""

__version__ = "0.1.0.dev0"
