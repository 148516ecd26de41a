"""Package layout: three import packages from three rooms, and the built front ends as data files.

The front ends are built by `make build` (they need Node); a wheel made without them would install tiles
that do not exist, so building one without them is an error and not a surprise.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel

ROOT = Path(__file__).parent
LABEXTENSION = ROOT / "labextension" / "streamspace_labextension"
VIEWER = ROOT / "proxy" / "streamspace_proxy" / "static" / "viewer.js"
PAGES = ROOT / "streamspace_hub" / "service" / "static" / "pages.js"
SHIM = ROOT / "proxy" / "streamspace_proxy" / "desktop" / "sleep_shim.c"
SHARE = "share/jupyter/labextensions/@streamspace/jupyterlab"


def labextension_files() -> list[tuple[str, list[str]]]:
    """Return setuptools `data_files` for the prebuilt labextension, one entry for each folder."""
    folders: dict[str, list[str]] = {}
    for file in sorted(path for path in LABEXTENSION.rglob("*") if path.is_file()):
        folder = Path(SHARE, file.parent.relative_to(LABEXTENSION)).as_posix()
        folders.setdefault(folder, []).append(file.relative_to(ROOT).as_posix())
    return list(folders.items())


def packages() -> dict[str, str]:
    """Return every import package and the folder that holds it."""
    found: dict[str, str] = {}
    for room, top in ((".", "streamspace_hub"), ("spawner", "streamspace_spawner"), ("proxy", "streamspace_proxy")):
        for name in find_packages(room, include=[top, f"{top}.*"]):
            found[name] = Path(room, *name.split(".")).as_posix()
    return found


def build_shim() -> bool:
    """Compile what sleep with memory preloads into programs; returns whether it is there.

    Without a C compiler everything else works, and sessions say why they sleep without their memory.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("There is no C compiler: sessions will sleep without their memory. Install gcc and libc6-dev.")
        return False
    options = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-s"]
    subprocess.run([compiler, *options, "-o", SHIM.with_suffix(".so"), SHIM], check=True)
    return True


class PlatformWheel(bdist_wheel):
    """A wheel for any Python 3, of one platform: the shim is a library, and no extension module."""

    def finalize_options(self) -> None:
        """Mark the wheel as not pure."""
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags: no Python's ABI is used."""
        return "py3", "none", super().get_tag()[2]


class WithLibrary(Distribution):
    """A distribution that is installed where the platform's libraries are."""

    def has_ext_modules(self) -> bool:
        """Whether there is anything of the platform in it."""
        return True


if "bdist_wheel" in sys.argv and not (VIEWER.exists() and PAGES.exists() and LABEXTENSION.is_dir()):
    sys.exit("The front ends are not built yet: run `make build` (it needs Node 20 or later), then try again.")

PACKAGES = packages()
PLATFORM = {"cmdclass": {"bdist_wheel": PlatformWheel}, "distclass": WithLibrary} if build_shim() else {}
setup(
    **PLATFORM,
    packages=list(PACKAGES),
    package_dir=PACKAGES,
    include_package_data=False,
    package_data={
        "streamspace_hub": [
            "py.typed",
            "catalog/apps/*.yaml",
            "catalog/icons/*.svg",
            "demo/jupyter/labconfig/*.json",
            "hub_pages/templates/**/*.html",
            "service/event_schemas/*.yaml",
            "service/monitoring/*",
            "service/static/*",
        ],
        "streamspace_spawner": ["py.typed"],
        "streamspace_proxy": ["py.typed", "static/**/*", "desktop/data/*", "desktop/*.so"],
    },
    data_files=[
        ("etc/jupyter/jupyter_server_config.d", ["proxy/jupyter_server_config.d/streamspace_proxy.json"]),
        *labextension_files(),
    ],
)
