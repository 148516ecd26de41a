"""The catalog of apps: built-in templates, an admin's own, and whether an app can be run here."""

from streamspace_hub.catalog.gpus import gpu_refusal
from streamspace_hub.catalog.installed import install_hint, is_installed
from streamspace_hub.catalog.loader import Catalog, CatalogEntry, CatalogProblem, UnknownApp, load_catalog

__all__ = [
    "Catalog",
    "CatalogEntry",
    "CatalogProblem",
    "UnknownApp",
    "gpu_refusal",
    "install_hint",
    "is_installed",
    "load_catalog",
]
