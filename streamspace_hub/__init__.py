"""StreamSpace for JupyterHub: the control plane, and the vocabulary that all parts share."""

from streamspace_hub._install import install

__version__ = "0.1.0.dev0"

__all__ = ["__version__", "install"]
