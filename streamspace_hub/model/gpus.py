"""What Kubernetes calls GPUs."""

from __future__ import annotations

import re

GPU_KINDS = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu", "intel": "gpu.intel.com/i915"}
"""Extended resources of the vendors' device plugins, by the short name that `gpu_resource` takes."""
GPU_RESOURCE = re.compile(r"[\w.-]+/(gpu|mig|i915|xe)[\w.-]*")
"""Extended resources that are GPUs, or shares and slices of them."""
